"""``POST /score``: look, read, admit, execute, release, reply."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from aiohttp import hdrs

from pfserve.errors import NotAcceptable, TooManyRequests
from pfserve.web.accept import Wanted, negotiate, unacceptable_message
from pfserve.web.encode import encode_outputs
from pfserve.web.exchange import Exchange, Stage

if TYPE_CHECKING:
    from pfserve.web.body import Bodies
    from pfserve.web.decode import Decoder
    from pfserve.web.needs import Executor, Gate


class Scoring:
    """Serves the flow. ``full_message`` is what a refused client reads."""

    def __init__(
        self,
        executor: Executor,
        gate: Gate,
        *,
        decode: Decoder,
        bodies: Bodies,
        full_message: str,
    ) -> None:
        self._executor = executor
        self._gate = gate
        self._decode = decode
        self._bodies = bodies
        self._full_message = full_message
        self.served = 0  # requests that were admitted and have ended

    async def serve(self, exchange: Exchange) -> None:
        """Run the flow for one request and answer it.

        Raises:
            RequestError: what the client is to be told instead.
        """
        _check_acceptable(exchange)
        gate = self._gate
        if gate.full():
            raise self._full()
        values = self._decode(await self._bodies.receive(exchange))
        if not gate.admit():
            raise self._full()
        try:
            exchange.stage = Stage.RUNNING
            body = encode_outputs(await self._executor.run(values))
        finally:
            self.served += 1
            gate.release()  # before the reply: who has it may come again at once, to any worker
        exchange.reply(200, body)

    def _full(self) -> TooManyRequests:
        retry_after_s = self._gate.retry_after_s()
        return TooManyRequests(
            self._full_message,
            headers={
                "Retry-After": str(max(1, math.ceil(retry_after_s))),
                "retry-after-ms": str(max(1, math.ceil(retry_after_s * 1000))),
            },
        )


def _check_acceptable(exchange: Exchange) -> None:
    """Refuse before the flow runs what could not be answered after it. No plan streams yet."""
    accept = exchange.headers.get(hdrs.ACCEPT)
    if accept is None:
        return
    lines = exchange.headers.getall(hdrs.ACCEPT)
    if len(lines) > 1:
        accept = ",".join(lines)
    if Wanted.JSON not in negotiate(accept):
        raise NotAcceptable(unacceptable_message(accept, streams=False))
