"""A connection as a stream of bytes, whatever is said on it."""

from __future__ import annotations

from aiohttp.base_protocol import BaseProtocol

from pfserve.web.unsent import in_kernel


class Wire(BaseProtocol):
    """What a connection knows of its transport."""

    __slots__ = ("_unsent", "since_s")

    since_s: float  # when the connection entered its state, or last made progress
    _unsent: int  # what was left of an answer at the last look

    @property
    def is_movable(self) -> bool:
        """Whether another process could go on with the connection: the state of TLS cannot leave this one."""
        return self.transport is not None and self.transport.get_extra_info("sslcontext") is None

    def unsent_bytes(self, now_s: float) -> int:
        """What waits here to be sent. Notes in ``since_s`` when less is left than the last time: that is progress."""
        transport = self.transport
        waiting = 0 if transport is None else transport.get_write_buffer_size()
        if transport is not None and waiting:
            left = waiting + in_kernel(transport.get_extra_info("socket").fileno())
            if left < self._unsent:
                self.since_s = now_s
            self._unsent = left
        return waiting

    @property
    def is_sent(self) -> bool:
        """Whether the client has acknowledged all that was written."""
        transport = self.transport
        if transport is None:
            return True
        descriptor = transport.get_extra_info("socket").fileno()
        return not transport.get_write_buffer_size() and not in_kernel(descriptor)

    def send_continue(self) -> None:
        """Ask for the body that the client holds back."""
        if self.transport is not None:
            self.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def send_processing(self) -> bool:
        """Tell the worker that handed the request over that it begins now. False if that one has given it up."""
        transport = self.transport
        if transport is None:
            return False
        transport.write(b"HTTP/1.1 102 Processing\r\n\r\n")  # at once: a failure shows
        return not transport.is_closing()

    async def drain(self) -> None:
        """Wait until the client has taken most of what was sent."""
        await self._drain_helper()
