"""One client connection: bytes in, one exchange at a time, bytes out.

Built on aiohttp's protocol, parser and stream reader, but without its task per connection: a request gets a task (and
a context of its own) only where it has to wait. The parser stops after every message, so pipelined requests wait as
bytes, and what precedes garbage is answered before the garbage is met.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from aiohttp import hdrs
from aiohttp.http_exceptions import HttpProcessingError, LineTooLong
from aiohttp.streams import EMPTY_PAYLOAD

from pfserve.errors import RequestError, RequestTimeout
from pfserve.web.leftover import behind, behind_body
from pfserve.web.parser import garbage, head_size, new_parser
from pfserve.web.state import BETWEEN, State
from pfserve.web.wire import Wire

if TYPE_CHECKING:
    import socket

    from aiohttp.http_parser import RawRequestMessage
    from aiohttp.streams import StreamReader

    from pfserve.web.exchange import Exchange
    from pfserve.web.service import Service

_HELD_BYTES = 64 * 1024  # pipelined bytes taken in while a request is being served
_JOINED_BYTES = 64 * 1024  # replies up to this size are copied behind their head to be one piece
_JAVA_UPGRADE = "h2c"  # Java's client asks for it on every new connection, and does not mind being ignored


class Connection(Wire):
    """The protocol of one accepted socket. Made by :meth:`pfserve.web.Service.protocol`."""

    __slots__ = (
        "_held", "_idle_bytes", "_knows_raw", "_pumping", "_raw", "_received", "_rest", "exchange",
        "service", "state",
    )  # fmt: skip

    def __init__(self, service: Service, received: bytes = b"") -> None:
        super().__init__(service.loop, new_parser(self, service.loop, service.settings.limits.head_bytes))
        # of the connection
        self.service = service
        self.state = State.IDLE
        self.since_s = service.clock()  # when the state was entered
        self._received = received  # before this process had the connection
        self._raw = b""  # what the parser has of the next request
        self._knows_raw = True  # whether that is all of it
        self._held = b""  # bytes behind the request being served, and behind those
        self._pumping = False
        self._unsent = 0
        self._rest: Exchange | None = None  # whose body is thrown away while DRAINING
        # of the request
        self.exchange: Exchange | None = None
        self._idle_bytes = 0  # within a body, since the last byte that belongs to it

    # -- The transport calls -----------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client is there."""
        super().connection_made(transport)
        assert self.transport is not None
        self.service.greet(self)
        if self._received:
            received, self._received = self._received, b""
            self.data_received(received)

    def connection_lost(self, exc: BaseException | None) -> None:
        """The client is gone, or was sent away."""
        super().connection_lost(exc)
        self.state = State.CLOSED
        self._parser = None
        self.service.forget_deadlines(self)
        exchange, self.exchange = self.exchange, None
        if exchange is not None:
            exchange.lost()
            self.service.ended(exchange)
        self.service.lost(self)

    def data_received(self, data: bytes) -> None:
        """Bytes of the client; none to go on with what the parser holds back."""
        state = self.state
        if state is State.IDLE or state is State.HEAD:
            self._pump(data)
        elif state is State.BUSY:
            exchange = self.exchange
            assert exchange is not None
            if exchange.payload.is_eof():
                self._hold(data)
            else:
                self._take_body(exchange, data)
        elif state is State.DRAINING:
            assert self._rest is not None
            self._feed_body(self._rest, data)
            self._drained()
        elif state is State.FLUSHING:
            self._hold(data)

    def eof_received(self) -> None:
        """The client has sent its last byte: it is taken as gone, as nginx does. The transport closes itself."""

    def resume_writing(self) -> None:
        """The client takes its answer again."""
        super().resume_writing()
        if self.state is State.FLUSHING:
            self._next()

    def resume_reading(self, resume_parser: bool = True) -> None:
        """Called for every body; only a paused one has anything to resume."""
        if self._reading_paused:
            super().resume_reading(resume_parser)

    # -- Requests in -------------------------------------------------------------------------------

    def _pump(self, data: bytes) -> None:
        """Parse and begin requests until one takes its time or no complete one is left."""
        self._pumping = True
        try:
            while self._parse(data) and self.state is State.IDLE:
                data = self._take_held()
        finally:
            self._pumping = False

    def _parse(self, data: bytes) -> bool:
        """Feed the parser. True if that began a request."""
        parser = self._parser
        if parser is None:
            return False
        try:
            messages, upgraded, _ = parser.feed_data(data)
        except (HttpProcessingError, ValueError) as problem:
            self._garbage(problem)
            return False
        if messages:
            self._begin(*messages[0], data)
            return True
        if upgraded:  # behind a request to switch protocols, which nobody here does
            self.close()
        elif self.exchange is None and (data or self._raw) and self.state is not State.DRAINING:
            self._await_head(data)
        return False

    def _begin(self, message: RawRequestMessage, payload: StreamReader, data: bytes) -> None:
        service = self.service
        limit = service.settings.limits.head_bytes
        if self._raw:
            service.head_deadlines.discard(self)
            data = self._raw + data
        size = len(data)
        head_end = data.find(b"\r\n\r\n")
        if head_end + 4 + payload.total_bytes == size:  # the usual case
            self._raw = b""
            self._knows_raw = True
        else:
            self._set_raw(behind(data, message, payload.total_bytes, payload.is_eof()))
        self.state = State.BUSY
        self._idle_bytes = 0
        exchange = service.exchange(self, message, payload, service.ids.of(message.headers), service.clock())
        self.exchange = exchange
        if message.upgrade and message.headers.get(hdrs.UPGRADE, "").lower() != _JAVA_UPGRADE:
            exchange.close = True
        if message.chunked and message.version < (1, 1):  # who passed it on may have seen other bounds (RFC 9112, 6.1)
            exchange.close = True
        if size > limit and head_size(message) > limit:
            service.refuse_head(exchange, service.head_too_large())
        elif payload is EMPTY_PAYLOAD and exchange.body_length():  # 2**64 - 1: aiohttp's own mark for no length
            service.refuse_head(exchange, service.body_too_large())
        else:
            service.begin(exchange)

    def _take_body(self, exchange: Exchange, data: bytes) -> None:
        """Go on with a body. What adds nothing to it is bounded: the parser keeps trailers."""
        payload = exchange.payload
        before = payload.total_bytes
        self._feed_body(exchange, data)
        self._idle_bytes = 0 if payload.total_bytes > before else self._idle_bytes + len(data)
        if self._idle_bytes > self.service.settings.limits.head_bytes and self.exchange is not None:
            self._fail_body(self.exchange, self.service.head_too_large())

    def _feed_body(self, exchange: Exchange, data: bytes) -> None:
        payload = exchange.payload
        before = payload.total_bytes
        self._parse(data)
        if payload.is_eof():
            self._set_raw(behind_body(data, exchange.message, (exchange.body_length() or 0) - before))

    def _set_raw(self, raw: bytes | None) -> None:
        self._knows_raw = raw is not None
        self._raw = raw or b""

    def _await_head(self, data: bytes) -> None:
        limits = self.service.settings.limits
        raw = self._raw = self._raw + data
        if not raw.strip(b"\r\n"):  # empty lines between two requests
            self._raw = b""
            return
        if self.state is State.IDLE:
            self.state = State.HEAD
            self.since_s = self.service.clock()
            self.service.head_deadlines.add(self, self.since_s)
        if len(raw) > limits.head_bytes:
            self._reject(self.service.head_too_large())

    def expire(self, _now_s: float) -> None:
        """The time for a head, for the rest of a body or for lingering is over."""
        if self.state is State.HEAD:
            limit_s = self.service.settings.limits.head_s
            self._reject(RequestTimeout(f"The head of the request was not received within {limit_s:g} s."))
        else:
            self.close()

    def _garbage(self, problem: Exception) -> None:
        """What came is not HTTP."""
        error = self.service.head_too_large() if isinstance(problem, LineTooLong) else garbage(problem)
        if self.state is State.DRAINING:  # answered already
            self.close()
        elif self.exchange is None:
            self._reject(error)
        else:
            self._fail_body(self.exchange, error)

    def _fail_body(self, exchange: Exchange, error: RequestError) -> None:
        """Let whoever reads the body answer with ``error``."""
        exchange.close = True
        exchange.payload.set_exception(error)

    def _reject(self, error: RequestError) -> None:
        """Answer what never became a request, and close."""
        self.service.head_deadlines.discard(self)
        if self.transport is not None:
            self.transport.write(self.service.rejection(error))
        self._linger()

    # -- Pipelined bytes ---------------------------------------------------------------------------

    def _hold(self, data: bytes) -> None:
        self._held += data
        if len(self._held) > _HELD_BYTES and not self._buffer_paused:
            self._pause_reading_for_buffer()

    def _take_held(self) -> bytes:
        held, self._held = self._held, b""
        if self._buffer_paused:
            self._resume_reading_for_buffer()
        return held

    # -- Replies out -------------------------------------------------------------------------------

    def finish(self, exchange: Exchange, body: bytes, content_type: str, extra: str) -> None:
        """Send the reply of ``exchange`` and go on with the next request, or close."""
        transport = self.transport
        if exchange is not self.exchange or transport is None:
            return
        service = self.service
        unread = not exchange.payload.is_eof()
        close = exchange.close or (unread and not self._worth_draining(exchange)) or self.ends_here
        if close:
            extra += "Connection: close\r\n"
        elif exchange.message.version < (1, 1):
            extra += "Connection: keep-alive\r\n"
        head = service.heads.render(
            exchange.status,
            content_type,
            len(body),
            request_id=exchange.request_id,
            origin=exchange.headers.get(hdrs.ORIGIN),
            extra=extra,
        )
        service.ended(exchange)  # before the client can know, and come again, or kill us
        if exchange.method == "HEAD":
            transport.write(head)
        elif len(body) <= _JOINED_BYTES:
            transport.write(head + body)
        else:
            transport.writelines((head, body))
        self.exchange = None
        if close:
            self._linger() if unread or self._held else self.close()
        elif unread:
            self._drain(exchange)
        else:
            self._next()

    def answered(self, exchange: Exchange, last: bytes = b"") -> None:
        """A streamed reply is at its end: ``last`` is what of it is still to be written, if ever it will be."""
        self.exchange = None
        self.service.ended(exchange)  # before the client can know
        if last and self.transport is not None:
            self.transport.write(last)
        if not exchange.close:
            self._next()
        elif self._held:
            self._linger()
        else:
            self.close()

    def _worth_draining(self, exchange: Exchange) -> bool:
        length = exchange.body_length()
        small = length is not None and length <= self.service.settings.limits.drain_bytes
        return small and not exchange.expects_continue

    @property
    def ends_here(self) -> bool:
        """Whether the next reply is the last: this process goes, and the connection cannot leave it."""
        service = self.service
        return service.leaving and (service.refusing or not self.is_movable)

    def _next(self) -> None:
        """The reply is written: take up the next request, if its bytes are there."""
        service = self.service
        self.since_s = service.clock()
        if self._paused:
            self.state = State.FLUSHING
            return
        self.state = State.IDLE
        if service.giving and service.lets_go(self):
            return
        if self._parser is not None:
            self._parser.message_consumed()
        if not self._pumping:  # else the reply was given within begin(), and the loop of _pump goes on
            self._pump(self._take_held())

    # -- Endings -----------------------------------------------------------------------------------

    def _drain(self, exchange: Exchange) -> None:
        self.state = State.DRAINING
        self._rest = exchange
        self.service.drain_deadlines.add(self, self.service.clock())

    def _drained(self) -> None:
        if self._rest is not None and self._rest.payload.is_eof():
            self._rest = None
            self.service.drain_deadlines.discard(self)
            self._next()

    def _linger(self) -> None:
        """Say goodbye, but take in what the client is still sending: a reset would cost it our last words."""
        transport = self.transport
        if transport is None:
            return
        self.state = State.LINGERING
        self._held = b""
        if transport.can_write_eof():
            transport.write_eof()
        if self._reading_paused or self._buffer_paused:
            self._reading_paused = self._buffer_paused = False
            self._resume_transport_reading()
        self.service.linger_deadlines.add(self, self.service.clock())

    def close(self) -> None:
        """Close once what was written is sent."""
        self.state = State.CLOSED
        self.since_s = self.service.clock()
        if self.transport is not None:
            self.transport.close()

    def abort(self) -> None:
        """Close now."""
        self.state = State.CLOSED
        if self.transport is not None:
            self.transport.abort()

    def to_move(self, most_bytes: int) -> tuple[socket.socket, bytes] | None:
        """The socket, and what was received of requests that have not begun; :meth:`abort` once another process has it.

        None if the connection stays: it is not between two requests, its client is slow to take the end of a reply,
        it speaks TLS, or more than ``most_bytes`` were received.
        """
        transport = self.transport
        if self.state not in BETWEEN or transport is None or not self._knows_raw:
            return None
        received = self._raw + self._held
        if len(received) > most_bytes or transport.get_write_buffer_size() or not self.is_movable:
            return None
        return transport.get_extra_info("socket"), received
