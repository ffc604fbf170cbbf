"""The body of a model's stream, taken off its connection chunk by chunk, past the machinery that whole answers need.

A token is a chunk of its own, so what is done for each chunk is what a stream costs [reading one: 7 µs of CPU, not 10].
The parser of aiohttp stays in charge: chunks are taken only from where it is between two of them, and whatever is not
a whole one, the end included, is given to it.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Any

import aiohttp
from aiohttp import hdrs
from aiohttp.client_proto import ResponseHandler

_MOST_BYTES = 1 << 16  # that wait to be read; then the connection is read no further
_SIZE_DIGITS = 10
_BETWEEN_EVENTS = b"\n\n\r\n"  # what the end of an event and of its chunk looks like; no chunk's size can end so


class Handler(ResponseHandler):
    """A connection whose chunks can be taken."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(loop)
        self.body: StreamBody | None = None  # who takes them
        self.content: aiohttp.StreamReader | None = None  # what the parser fills, while a stream is read
        self.is_between_events = False

    def data_received(self, data: bytes) -> None:
        """Give it to who takes chunks, or to the parser."""
        if self.body is not None and data:
            self.body.feed(data)
        else:
            self.parse(data)

    def parse(self, data: bytes) -> None:
        """Give it to the parser."""
        if data:  # aiohttp calls itself with none, to go on after a pause
            self.is_between_events = data.endswith(_BETWEEN_EVENTS)
        super().data_received(data)
        if self.content is not None and (problem := self.exception()) is not None and not self.content.is_eof():
            # What is no chunk. Aiohttp tells nobody who waits for the next.
            self.content.set_exception(aiohttp.ClientPayloadError(f"Response payload is not completed: {problem!r}"))

    def connection_lost(self, exc: BaseException | None) -> None:
        """Tell who takes chunks."""
        super().connection_lost(exc)
        if self.body is not None:
            self.body.end()


class StreamBody:
    """The body of a response, read piece by piece.

    Aiohttp's limit of silence, which costs a timer for each chunk, ends when chunks are taken: not to be done
    (``takes``) where nothing else bounds the time.
    """

    def __init__(self, response: aiohttp.ClientResponse, *, takes: bool) -> None:
        self._content = response.content
        protocol = response.connection.protocol if response.connection is not None else None
        is_plain = takes and hdrs.CONTENT_ENCODING not in response.headers
        self._handler = protocol if is_plain and isinstance(protocol, Handler) else None
        self._protocol = protocol if isinstance(protocol, Handler) else None
        if self._protocol is not None:
            self._protocol.content = response.content
        self._taken: deque[bytes] = deque()
        self._bytes = 0
        self._is_paused = False
        self._news: asyncio.Future[None] | None = None

    async def readany(self) -> bytes:
        """What has arrived, at least something; empty at the end. Raises as the response's own."""
        while True:
            if self._taken:
                return self._take()
            handler = self._handler
            if handler is None or not (handler.body is self or self._begin(handler)):
                return await self._content.readany()
            self._news = asyncio.get_running_loop().create_future()
            await self._news

    def close(self) -> None:
        """Read nothing any more."""
        self._stop()
        if self._protocol is not None:
            self._protocol.content = None

    def _stop(self) -> None:
        if self._handler is not None and self._handler.body is self:
            self._handler.body = None

    def _begin(self, handler: Handler) -> bool:
        """Take chunks from here on, if this is between two of them and nothing waits to be read."""
        content: Any = self._content
        splits = content._http_chunk_splits  # where chunks ended
        if not handler.is_between_events or content._buffer or content._eof or content._exception is not None:
            return False
        if not splits or splits[-1] != content.total_bytes:
            return False
        handler.body = self
        handler.read_timeout = None
        handler._drop_timeout()
        return True

    def _take(self) -> bytes:
        taken = self._taken
        data = taken.popleft() if len(taken) == 1 else b"".join(taken)
        taken.clear()
        self._bytes = 0
        if self._is_paused and self._handler is not None and self._handler.transport is not None:
            self._is_paused = False
            self._handler.transport.resume_reading()
        return data

    def feed(self, data: bytes) -> None:
        """Take the whole chunks at the beginning; the rest is the parser's."""
        start, end = 0, len(data)
        while start < end:
            line = data.find(b"\r\n", start, start + _SIZE_DIGITS)
            stop = line + 4 + _size(data[start:line]) if line > start else end + 1
            if stop > end or stop == line + 4 or data[stop - 2 : stop] != b"\r\n":
                break
            self._taken.append(data[line + 2 : stop - 2])
            start = stop
        self._bytes += start
        if start < end:
            self.end()
            assert self._handler is not None
            self._handler.parse(data[start:] if start else data)
        elif self._bytes > _MOST_BYTES and not self._is_paused:
            self._pause()
        self._tell()

    def _pause(self) -> None:
        if self._handler is not None and self._handler.transport is not None:
            self._is_paused = True
            self._handler.transport.pause_reading()

    def end(self) -> None:
        """Nothing more is taken here; the reader goes on with what the parser has."""
        self._stop()
        self._tell()

    def _tell(self) -> None:
        if self._news is not None and not self._news.done():
            self._news.set_result(None)


def _size(digits: bytes) -> int:
    """The size of a chunk; 0 for what is none, and for the last one."""
    try:
        return int(digits, 16)
    except ValueError:
        return 0
