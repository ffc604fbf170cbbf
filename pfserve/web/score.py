"""``POST /score``: look, read, admit, execute, release, reply."""

from __future__ import annotations

import asyncio
import logging
import math
from typing import TYPE_CHECKING

from aiohttp import hdrs

from pfserve.errors import NotAcceptable, RequestError, SystemFailure, TooManyRequests
from pfserve.web.accept import Wanted, negotiate, unacceptable_message
from pfserve.web.encode import encode_outputs
from pfserve.web.exchange import Exchange, Stage

if TYPE_CHECKING:
    from pfserve.web.body import Bodies
    from pfserve.web.deadlines import Row
    from pfserve.web.decode import Decoder
    from pfserve.web.needs import Executor, Gate

_log = logging.getLogger(__name__)


class Scoring:
    """Serves the flow.

    ``deadlines`` is the row of the request timeout, ``full_message`` what a refused client reads.
    """

    def __init__(
        self,
        executor: Executor,
        gate: Gate,
        *,
        decode: Decoder,
        bodies: Bodies,
        deadlines: Row,
        full_message: str,
    ) -> None:
        self._executor = executor
        self._gate = gate
        self._decode = decode
        self._bodies = bodies
        self._deadlines = deadlines
        self._full_message = full_message
        self.served = 0  # requests that were admitted and have ended

    async def serve(self, exchange: Exchange) -> None:
        """Answer one request, whatever happens to it."""
        self._deadlines.add(exchange, exchange.arrived_s)
        try:
            await self._score(exchange)
        except RequestError as error:
            exchange.fail(error)
        except asyncio.CancelledError:
            if not exchange.expired:
                raise  # the client has gone
            exchange.fail(exchange.timeout_error())
        except Exception:
            _log.exception("request %s failed by a bug", exchange.request_id)
            exchange.fail(bug_error(exchange.request_id))
        finally:
            self._deadlines.discard(exchange)

    async def _score(self, exchange: Exchange) -> None:
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


def bug_error(request_id: str) -> SystemFailure:
    """What a client is told of a bug: nothing but where to look."""
    return SystemFailure(f"The server failed to serve this request; its log says why (request {request_id}).")


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
