"""The origin's side of a hand-over: a request goes to another worker over a private stream, its answer to the client.

A private stream is plain HTTP/1.1. The worker at its other end answers ``102 Processing`` when it takes the request
up: until then nothing of it has run, and it can still be run elsewhere.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from typing import TYPE_CHECKING

import msgspec
from aiohttp.base_protocol import BaseProtocol
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.http_parser import HttpResponseParser

from pfserve.errors import NotStarted, WorkerLost

if TYPE_CHECKING:
    from aiohttp.http_parser import RawResponseMessage
    from aiohttp.streams import StreamReader

    from pfserve.web.exchange import Exchange

PRIVATE = "x-pfserve-"  # headers that workers give each other; those of clients are not passed on
SEAT, NUMBER = f"{PRIVATE}seat", f"{PRIVATE}number"
ARRIVED, GRANTED = f"{PRIVATE}arrived", f"{PRIVATE}granted"
START_WITHIN_S = 2.5  # from the grant; longer than the other worker keeps the slot free for it

_BUFFER_BYTES = 256 * 1024
_PROCESSING = 102
_MAX_HEAD_BYTES = 1 << 20
_ERROR_EVENT = b"event: error\ndata: "  # with which a stream that is cut off ends, where that is asked for
_LOST = "The worker that ran the request has died. It had started, so it is not run again."

# Of one connection, or written anew on the other one.
_NOT_FORWARDED = frozenset(
    {
        "connection", "content-length", "expect", "keep-alive", "proxy-connection", "te", "trailer",
        "transfer-encoding", "upgrade", "x-request-id",
    }
)  # fmt: skip
_NOT_RETURNED = _NOT_FORWARDED | {
    "access-control-allow-origin", "content-type", "date", "vary", "x-ms-server-version",
}  # fmt: skip

Reply = tuple[int, bytes, str, str]  # status, body, content type, further header lines


class Away(msgspec.Struct, frozen=True):
    """A slot of another worker, promised to a request of ours, or one that it seems to have."""

    seat: int
    epoch: int
    number: int  # of the request in the line
    origin: int  # our seat
    granted_s: float  # monotonic


class Relay:
    """Hands requests over, and keeps the streams for the next ones.

    ``open_stream(seat, epoch)`` gives a socket whose other end the process on that seat serves, or None.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        open_stream: Callable[[int, int], socket.socket | None],
        clock: Callable[[], float],
    ) -> None:
        self._loop = loop
        self._open_stream = open_stream
        self._clock = clock
        self._idle: dict[tuple[int, int], list[PrivateStream]] = {}  # by seat and epoch

    async def run(self, exchange: Exchange, body: bytes, away: Away) -> Reply | None:
        """Have the other worker serve the request. None: its answer was a stream, and has been sent but for its end.

        Raises:
            NotStarted: nothing of it has run there, and nothing will.
            WorkerLost: the other worker has died after it began, or cut its stream off.
        """
        stream = await self._stream_to(away.seat, away.epoch)
        timer = self._loop.call_later(max(0.0, away.granted_s + START_WITHIN_S - self._clock()), stream.give_up)
        try:
            message, payload = await stream.ask(_request(exchange, body, away), timer, exchange)
            answer = await _take_answer(exchange, message, payload)
        except BaseException:
            stream.abort()  # which cancels it there
            raise
        finally:
            timer.cancel()
        self._keep(away, stream)
        return answer

    def close(self) -> None:
        """Close what is idle."""
        for streams in self._idle.values():
            for stream in streams:
                stream.abort()
        self._idle.clear()

    async def _stream_to(self, seat: int, epoch: int) -> PrivateStream:
        idle = self._idle.get((seat, epoch), ())
        while idle:
            stream = idle.pop()
            if stream.connected:
                return stream
        ours = self._open_stream(seat, epoch)
        if ours is None:
            raise NotStarted
        _, stream = await self._loop.create_unix_connection(lambda: PrivateStream(self._loop), sock=ours)
        return stream

    def _keep(self, away: Away, stream: PrivateStream) -> None:
        place = away.seat, away.epoch
        if not stream.connected:
            return
        if place not in self._idle:  # perhaps another process sits there now
            for old in [old for old in self._idle if old[0] == away.seat]:
                for idle in self._idle.pop(old):
                    idle.abort()
        self._idle.setdefault(place, []).append(stream)


class PrivateStream(BaseProtocol):
    """Our end of a private stream: one request at a time."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(loop, None)
        self._parser = HttpResponseParser(
            self,
            loop,
            _BUFFER_BYTES,
            max_line_size=_MAX_HEAD_BYTES,
            max_field_size=_MAX_HEAD_BYTES,
            max_headers=_MAX_HEAD_BYTES,
            payload_exception=None,
            response_with_body=True,
            read_until_eof=False,
            auto_decompress=False,
        )
        self._head: asyncio.Future[tuple[RawResponseMessage, StreamReader]] | None = None
        self._payload: StreamReader | None = None
        self._started = False
        self._exchange: Exchange | None = None
        self._timer: asyncio.TimerHandle | None = None

    async def ask(
        self, request: bytes, start_timer: asyncio.TimerHandle, exchange: Exchange
    ) -> tuple[RawResponseMessage, StreamReader]:
        """Send a request and wait for the head of its answer. ``exchange`` runs from when it is taken up.

        Raises:
            NotStarted: the stream ended before it was taken up.
            WorkerLost: the stream ended after that.
        """
        if self.transport is None:
            raise NotStarted
        self._started = False
        self._payload = None
        self._timer = start_timer
        self._exchange = exchange
        self._head = self._loop.create_future()
        self.transport.write(request)
        return await self._head

    def give_up(self) -> None:
        """It was not taken up in time, unless word of that is here and not read yet.

        A loop that was held up, or a process that was stopped, looks at its timers before it reads.
        """
        if self.transport is None:
            return
        end = socket.socket(fileno=self.transport.get_extra_info("socket").fileno())  # no copy: it may be the last one
        try:
            if _has_word(end):
                return
            end.shutdown(socket.SHUT_RD)  # from here on the other worker cannot say that it begins, and does not
            self._started = _has_word(end)
        finally:
            end.detach()
        self.abort()

    def abort(self) -> None:
        """Close at once."""
        if self.transport is not None:
            self.transport.abort()

    def data_received(self, data: bytes) -> None:
        """Parts of answers; none to go on with what the parser holds back."""
        if self._parser is None:
            return
        try:
            messages, _, _ = self._parser.feed_data(data)
        except HttpProcessingError:
            self.abort()
            return
        for message, payload in messages:
            if message.code == _PROCESSING:
                self._take_up()
            elif self._head is not None and not self._head.done():
                self._payload = payload
                self._head.set_result((message, payload))

    def _take_up(self) -> None:
        self._started = True
        if self._exchange is not None:
            self._exchange.begin()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def eof_received(self) -> None:
        """The transport closes itself."""

    def connection_lost(self, exc: BaseException | None) -> None:
        """The other worker has died, or does not want this request."""
        super().connection_lost(exc)
        self._parser = None
        lost = WorkerLost(_LOST) if self._started else NotStarted()
        if self._head is not None and not self._head.done():
            self._head.set_exception(lost)
        if self._payload is not None and not self._payload.is_eof():
            self._payload.set_exception(lost)

    def resume_reading(self, resume_parser: bool = True) -> None:
        """Called for every body; only a paused one has anything to resume."""
        if self._reading_paused:
            super().resume_reading(resume_parser)


def _has_word(end: socket.socket) -> bool:
    """Whether something has come on the stream that nobody has read."""
    try:
        return bool(end.recv(1, socket.MSG_PEEK))
    except OSError:  # nothing, or the other worker is gone
        return False


def _request(exchange: Exchange, body: bytes, away: Away) -> bytes:
    """The request as the other worker gets it: all that the client's own headers said, and what only we know."""
    lines = [b"POST /score HTTP/1.1"]
    for name, value in exchange.message.raw_headers:
        lowered = name.decode("latin-1").lower()
        if lowered not in _NOT_FORWARDED and not lowered.startswith(PRIVATE):
            lines.append(name + b": " + value)
    ours = (
        f"x-request-id: {exchange.request_id}\r\n{SEAT}: {away.origin}\r\n{NUMBER}: {away.number}\r\n"
        f"{ARRIVED}: {exchange.arrived_s!r}\r\n{GRANTED}: {away.granted_s!r}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return b"\r\n".join([*lines, ours.encode("latin-1")]) + body


async def _take_answer(exchange: Exchange, message: RawResponseMessage, payload: StreamReader) -> Reply | None:
    content_type = message.headers.get("Content-Type", "")
    if not message.chunked:
        body = await payload.read()
        return message.code, body, content_type, _extra(message)
    piece = b""
    try:
        while some := await payload.readany():
            piece = some
            await exchange.send(piece, content_type)
    except WorkerLost:
        if _ERROR_EVENT in piece:  # it has said why
            exchange.cut_stream()
        raise
    await exchange.send(b"", content_type)
    return None


def _extra(message: RawResponseMessage) -> str:
    kept = ((name, value) for name, value in message.headers.items() if name.lower() not in _NOT_RETURNED)
    return "".join(f"{name}: {value}\r\n" for name, value in kept)
