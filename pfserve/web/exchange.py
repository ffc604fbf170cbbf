"""One request and its reply."""

from __future__ import annotations

import asyncio
import enum
import html
import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING

from aiohttp import hdrs

from pfserve.errors import NotFound, PayloadTooLarge, RequestError, RequestTimeout
from pfserve.web.encode import encode_error
from pfserve.web.heads import HTML, JSON
from pfserve.web.stream import ReplyStream

if TYPE_CHECKING:
    from aiohttp.http_parser import RawRequestMessage
    from aiohttp.streams import StreamReader

    from pfserve.web.connection import Connection

_log = logging.getLogger(__name__)

_UNHURRIED_S = 1.0  # how long a cancelled request may take to end before it is answered over its head


class Stage(enum.Enum):
    """How far a request has come. A reply can end it at every stage."""

    READING = "its body was still being received"
    WAITING = "it was waiting in line"
    RUNNING = "it was running"
    ANSWERING = "its outputs were there"


GONE = -1
CUT = -2
"""In the place of a status: the client has left; its stream had begun and was cut."""


class Exchange:
    """A request that is being served. Lives from its complete head to its reply, or to the loss of its client."""

    __slots__ = (
        "_expired", "_stream", "arrived_s", "began_s", "close", "connection", "headers", "message", "method", "payload",
        "request_id", "scored", "stage", "status", "task",
    )  # fmt: skip

    def __init__(
        self, connection: Connection, message: RawRequestMessage, payload: StreamReader, request_id: str, now_s: float
    ) -> None:
        self.connection = connection
        self.message = message
        self.method = message.method
        self.headers = message.headers
        self.payload = payload
        self.request_id = request_id
        self.arrived_s = self.began_s = now_s  # began: what it has waited in the line does not count as running
        self.close = message.should_close  # whether the connection ends with this exchange
        self.scored = False  # whether it is one for the flow
        self.stage = Stage.READING
        self.status = 0  # 0: not answered yet; or GONE, or CUT
        self._stream: ReplyStream | None = None  # an answer that has begun and not ended
        self.task: asyncio.Task[None] | None = None
        self._expired = False

    @property
    def expired(self) -> bool:
        """Whether the deadline has passed: a cancellation is then ours, not the client's leaving."""
        return self._expired

    def begin(self) -> None:
        """Its turn has come: it runs from now on."""
        self.stage = Stage.RUNNING
        self.began_s = self.connection.service.clock()

    @property
    def expects_continue(self) -> bool:
        """Whether the client holds its body back until it is told to send it."""
        if self.payload.is_eof() or self.payload.total_bytes:
            return False
        return self.headers.get(hdrs.EXPECT, "").lower() == "100-continue" and self.message.version >= (1, 1)

    def body_length(self) -> int | None:
        """The length that the client announced; None for a chunked body."""
        if self.message.chunked:
            return None
        return int(self.headers.get(hdrs.CONTENT_LENGTH, 0))

    def reply(self, status: int, body: bytes, content_type: str = JSON, extra: str = "") -> None:
        """Answer. Only the first reply counts; ``extra`` are header lines, each with its line end."""
        if not self.status:
            self.status = status
            self.connection.finish(self, body, content_type, extra)

    async def send(self, piece: bytes, content_type: str) -> None:
        """Answer with a stream: its next piece; an empty one only begins it. Waits while the client takes too little.

        Raises:
            CancelledError: nobody waits for it any more, though its code has caught the cancellation.
        """
        if self.push(piece, content_type):
            await self.drain()

    async def drain(self) -> None:
        """Wait until the client has taken enough."""
        await self.connection.drain()

    def push(self, piece: bytes, content_type: str) -> bool:
        """:meth:`send` without waiting: gives whether there is something to wait for. Raises as that."""
        stream = self._stream
        if stream is None:
            if self.status:
                raise asyncio.CancelledError
            self.status = 200
            stream = self._stream = ReplyStream(self, content_type)
        if piece:
            stream.write(piece)
        return self.connection.writing_paused

    def stream_extra(self) -> str:
        """Further header lines for the head of a stream."""
        return ""

    def end_stream(self) -> None:
        """The stream is complete."""
        stream, self._stream = self._stream, None
        if stream is not None:
            stream.end()

    def cut_stream(self) -> None:
        """End a stream that has begun in the middle, without a word."""
        stream, self._stream = self._stream, None
        if stream is not None:
            self.status = CUT
            stream.cut()

    def fail(self, error: RequestError) -> None:
        """Answer with an error. A stream that has begun is cut off instead: there is no place for one in it."""
        stream, self._stream = self._stream, None
        if stream is not None:
            cause = error.__cause__
            _log.error("request %s: its stream was cut off: %s", self.request_id, error.message, exc_info=cause)
            if self.connection.service.settings.stream_errors and not self.connection.writing_paused:
                stream.write_event("error", encode_error(error.code, error.message))
            self.status = CUT
            stream.cut()
            return
        if isinstance(error, PayloadTooLarge | RequestTimeout) and not self.payload.is_eof():
            self.close = True
        extra = "".join(f"{name}: {value}\r\n" for name, value in error.headers.items())
        if isinstance(error, NotFound):  # promptflow's only error that is no JSON
            text = html.escape(error.message, quote=False)
            self.reply(error.status, text.encode(errors="backslashreplace"), HTML, extra)
        else:
            self.reply(error.status, encode_error(error.code, error.message), extra=extra)

    def expire(self, _now_s: float) -> None:
        """The deadline has passed: cancel the task, which answers. If it does not end, answer for it."""
        if (self.status and self._stream is None) or self.task is None:
            return
        if self._expired:
            self.close = True
            self.fail(self.timeout_error())
            return
        self._expired = True
        self.task.cancel()
        service = self.connection.service
        service.deadlines.row(_UNHURRIED_S).add(self, service.clock())

    def timeout_error(self, nodes: Sequence[str] = ()) -> RequestTimeout:
        """The answer to a request whose deadline has passed, while the nodes of these names were running."""
        limit_s = self.connection.service.settings.request_timeout_s
        where = self.stage.value
        if nodes and self.stage is Stage.RUNNING:
            where += f" the node{'s' if len(nodes) > 1 else ''} {', '.join(map(repr, nodes))}"
        return RequestTimeout(f"The request was not finished within {limit_s:g} s, the request timeout: {where}.")

    def lost(self) -> None:
        """The client has gone: nobody waits for the answer."""
        self.status = self.status if self.status == CUT else GONE
        self._stream = None
        if self.task is not None:
            self.task.cancel()
