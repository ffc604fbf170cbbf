"""A reply that is written in pieces, as long as it takes: in chunks, or for HTTP/1.0 until the connection ends."""

from __future__ import annotations

import socket
import struct
from typing import TYPE_CHECKING

from aiohttp import hdrs

if TYPE_CHECKING:
    from pfserve.web.exchange import Exchange

_LAST_CHUNK = b"0\r\n\r\n"
_RESET = struct.pack("ii", 1, 0)  # SO_LINGER for zero seconds


class ReplyStream:
    """The reply of ``exchange``, from its head, which making this sends, to :meth:`end` or :meth:`cut`."""

    __slots__ = ("_chunked", "_connection", "_exchange")

    def __init__(self, exchange: Exchange, content_type: str) -> None:
        self._exchange = exchange
        self._connection = connection = exchange.connection
        self._chunked = exchange.message.version >= (1, 1)
        exchange.close = exchange.close or not self._chunked or connection.ends_here
        framing = "Transfer-Encoding: chunked\r\n" if self._chunked else ""
        head = connection.service.heads.render_open(
            exchange.status,
            content_type,
            request_id=exchange.request_id,
            origin=exchange.headers.get(hdrs.ORIGIN),
            extra=exchange.stream_extra() + (framing + "Connection: close\r\n" if exchange.close else framing),
        )
        self._write(head)

    def write(self, data: bytes) -> None:
        """Send a piece, which must not be empty."""
        self._write(b"%x\r\n%b\r\n" % (len(data), data) if self._chunked else data)

    def write_event(self, name: str, data: bytes) -> None:
        """Send a named event of an event stream, without waiting. ``data`` is one line."""
        self.write(b"event: %b\ndata: %b\n\n" % (name.encode(), data))

    def end(self) -> None:
        """The reply is complete."""
        self._connection.answered(self._exchange, _LAST_CHUNK if self._chunked else b"")

    def cut(self) -> None:
        """Close in the middle, so that the client can tell that it was not all."""
        connection = self._connection
        transport = connection.transport
        self._exchange.close = True
        if transport is None:
            return
        if not self._chunked:  # where the end of the connection is the end of the reply, only a reset tells
            transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        if connection.writing_paused or not self._chunked:
            connection.abort()
        else:  # what was sent arrives; the last chunk does not
            connection.answered(self._exchange)

    def _write(self, data: bytes) -> None:
        transport = self._connection.transport
        assert transport is not None, "the stream of a client that is gone has ended"
        transport.write(data)
