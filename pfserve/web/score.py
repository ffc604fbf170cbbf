"""``POST /score``: look, read, admit, execute, release, reply."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from aiohttp import hdrs

from pfserve.errors import NotAcceptable, TooManyRequests
from pfserve.web.accept import Wanted, negotiate, unacceptable_message
from pfserve.web.encode import encode_outputs, encode_returned
from pfserve.web.events import send_events, take_stream
from pfserve.web.exchange import Exchange, Stage

if TYPE_CHECKING:
    from pfserve.web.body import Bodies
    from pfserve.web.decode import Decoder
    from pfserve.web.needs import Executor, Gate

_JSON = Wanted.JSON  # looking up a member of an enum takes its time


class Scoring:
    """Serves the flow.

    ``can_stream`` says whether an output of it can be a generator, ``returned`` whether the outputs are what one step
    returned; ``full_message`` is what a refused client reads.
    """

    def __init__(
        self,
        executor: Executor,
        gate: Gate,
        *,
        decode: Decoder,
        bodies: Bodies,
        can_stream: bool,
        returned: bool,
        full_message: str,
        message_format: str,
    ) -> None:
        self._executor = executor
        self._gate = gate
        self._decode = decode
        self._bodies = bodies
        self._can_stream = can_stream
        self._encode = encode_returned if returned else encode_outputs
        self._full_message = full_message
        self._message_format = message_format

    async def serve(self, exchange: Exchange) -> None:
        """Run the flow for one request and answer it.

        Raises:
            RequestError: what the client is to be told instead.
        """
        wanted = self._wanted(exchange) if hdrs.ACCEPT in exchange.headers else _JSON
        gate = self._gate
        if gate.full():
            raise self._full()
        values = self._decode(await self._bodies.receive(exchange))
        if not gate.admit():
            raise self._full()
        try:
            exchange.stage = Stage.RUNNING
            if wanted is _JSON:
                body: bytes | None = self._encode(await self._executor.run(values), self._message_format)
            else:
                body = await self._stream(exchange, values, wanted)
        finally:
            gate.release()  # before the reply: who has it may come again at once, to any worker
        if body is None:
            exchange.end_stream()
        else:
            exchange.reply(200, body)

    def _wanted(self, exchange: Exchange) -> Wanted:
        """What the client accepts. Refuses, before the flow runs, what certainly could not be answered after it."""
        accept = _accept(exchange)
        wanted = negotiate(accept)
        if wanted is Wanted.NOTHING or (wanted is Wanted.EVENTS and not self._can_stream):
            raise NotAcceptable(unacceptable_message(accept))
        return wanted

    async def _stream(self, exchange: Exchange, values: dict[str, object], wanted: Wanted) -> bytes | None:
        """Answer with a stream, all but its end; or give the body of an answer, if the flow gave no generator."""
        outputs = await self._executor.run(values, True)
        found = await take_stream(outputs)
        if found is not None:
            await send_events(exchange, *found, outputs, self._message_format)
            return None
        body = self._encode(outputs, self._message_format)
        if wanted is Wanted.EVENTS:
            raise NotAcceptable(unacceptable_message(_accept(exchange)))
        return body

    def _full(self) -> TooManyRequests:
        retry_after_s = self._gate.retry_after_s()
        return TooManyRequests(
            self._full_message,
            headers={
                "Retry-After": str(max(1, math.ceil(retry_after_s))),
                "retry-after-ms": str(max(1, math.ceil(retry_after_s * 1000))),
            },
        )


def _accept(exchange: Exchange) -> str:
    return ",".join(exchange.headers.getall(hdrs.ACCEPT))
