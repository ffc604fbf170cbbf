"""Receiving a request's body: how large it may be, how slow, and how much of all bodies together."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from pfserve.errors import PayloadTooLarge, RequestTimeout, Unavailable
from pfserve.web.deadlines import Row
from pfserve.web.settings import Limits

if TYPE_CHECKING:
    from aiohttp.streams import StreamReader

    from pfserve.web.exchange import Exchange

_CHECK_S = 1.0


def too_slow(received: int, elapsed_s: float, limits: Limits) -> str | None:
    """What is wrong with a body of which ``received`` bytes came in ``elapsed_s``, if anything."""
    if elapsed_s > limits.body_s:
        return f"it was not complete within {limits.body_s:g} s"
    if elapsed_s > limits.body_first_byte_s:
        if received == 0:
            return f"no byte of it came within {limits.body_first_byte_s:g} s"
        if received < limits.body_bytes_per_s * elapsed_s:
            return f"it came slower than {limits.body_bytes_per_s:g} bytes a second"
    return None


class Bodies:
    """Receives bodies, and bounds what has come of those that are not complete, over all connections of the worker.

    What is only announced takes no memory, and counts for nothing.
    """

    def __init__(self, limits: Limits, clock: Callable[[], float], row: Callable[[float], Row]) -> None:
        self._limits = limits
        self._clock = clock
        self._checks = row(min(_CHECK_S, limits.body_first_byte_s))
        self.in_flight_bytes = 0

    async def receive(self, exchange: Exchange) -> bytes:
        """The whole body.

        Raises:
            PayloadTooLarge: it is, or is announced to be, larger than the limit.
            RequestTimeout: it comes too slowly.
            Unavailable: the bodies in flight are too many.
            BadRequest: its framing is broken.
        """
        payload = exchange.payload
        if payload.is_eof():
            body = payload.read_nowait()
            self._check_size(len(body))
            return body
        self._check_size(exchange.body_length() or 0)
        if exchange.expects_continue:
            exchange.connection.send_continue()
        watch = _Watch(payload, self._limits, self._checks, exchange.arrived_s)
        chunks: list[bytes] = []
        try:
            while chunk := await payload.readany():
                chunks.append(chunk)
                watch.received += len(chunk)
                self.in_flight_bytes += len(chunk)
                self._check_size(watch.received)
                self._check_in_flight()
            return b"".join(chunks)
        finally:
            watch.stop()
            self.in_flight_bytes -= watch.received

    def _check_size(self, size: int) -> None:
        if size > self._limits.body_bytes:
            raise PayloadTooLarge(f"The body is larger than {self._limits.body_bytes} bytes, the body limit.")

    def _check_in_flight(self) -> None:
        if self.in_flight_bytes > self._limits.bodies_in_flight_bytes:
            raise Unavailable(
                "Too many bytes of request bodies are being received at the moment. Try again shortly.",
                headers={"Retry-After": "1"},
                cause="bodies",
            )


class _Watch:
    """Looks at a body once in a while, and makes its reader fail if it is too slow."""

    def __init__(self, payload: StreamReader, limits: Limits, checks: Row, started_s: float) -> None:
        self._payload = payload
        self._limits = limits
        self._checks = checks
        self._started_s = started_s
        self.received = 0
        checks.add(self, started_s)

    def stop(self) -> None:
        self._checks.discard(self)

    def expire(self, now_s: float) -> None:
        problem = too_slow(self.received, now_s - self._started_s, self._limits)
        if problem is None:
            self._checks.add(self, now_s)
        else:
            self._payload.set_exception(RequestTimeout(f"The body of the request was given up: {problem}."))
