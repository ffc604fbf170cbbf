"""The server of one worker: composes the room, and is what the worker talks to."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
import time
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any

from aiohttp.tcp_helpers import tcp_keepalive

from pfserve.errors import (
    HeadersTooLarge,
    PayloadTooLarge,
    RequestError,
    SystemFailure,
    TooManyRequests,
    Unavailable,
    UserError,
)
from pfserve.region import Page, Refusal
from pfserve.values.ambient import DEADLINE_S, REQUEST_ID
from pfserve.web.body import Bodies
from pfserve.web.complaints import Complaints
from pfserve.web.connection import Connection
from pfserve.web.deadlines import Deadlines
from pfserve.web.decode import Decoder
from pfserve.web.encode import encode_error
from pfserve.web.events import can_stream
from pfserve.web.exchange import Exchange, Stage
from pfserve.web.heads import JSON, Heads
from pfserve.web.ids import RequestIds
from pfserve.web.request_log import RequestLog
from pfserve.web.routes import Answers, find, table
from pfserve.web.score import Scoring
from pfserve.web.state import BETWEEN, State
from pfserve.web.timing import TimedExchange
from pfserve.web.unsent import overdue

if TYPE_CHECKING:
    from pfserve.plan import Plan
    from pfserve.web.needs import Admin, Executor, Gate, Slots, Vitals
    from pfserve.web.relay import Relay
    from pfserve.web.settings import Settings

Serve = Callable[[Exchange], Coroutine[Any, Any, None]]

GiveAway = Callable[[Connection], object]
Expects = Callable[[], bool]

_LOOK_AGAIN_S = 1.0
_GIVE_AGAIN_S = 0.05
_OLDEST = 64  # requests that are looked at to tell when one will end
_RUNNING = (Stage.RUNNING, Stage.ANSWERING)
_GIVEN_AT_ONCE = 200  # a move costs some 13 µs of the loop
_CANCELLED_BY_ITSELF = "The flow's code cancelled the request that it was running for."

_log = logging.getLogger(__name__)


class Service:
    """Serves a plan over the connections it is given. Must be made on the event loop that it runs on.

    Pass :meth:`protocol` to ``loop.connect_accepted_socket``, and call :meth:`tick` once a second.
    ``connection_closed`` is called once for every connection that ends here, moved ones included. Requests are
    counted in ``page``; ``admin`` has the pages of the admin port, where they are wanted on this one too. ``slots`` and
    ``relay`` are for a plan whose requests need a slot to start.

    Attributes:
        exchange: makes what a request is, while it is served.
        connections: the open ones.
        in_progress: requests that have come and are not answered yet.
        leaving: whether :meth:`retire` or :meth:`refuse` was called.
        giving: whether :meth:`lets_go` wants to know of connections between two requests.
        refusing: whether :meth:`refuse` was called.
    """

    def __init__(
        self,
        plan: Plan,
        executor: Executor,
        gate: Gate,
        vitals: Vitals,
        settings: Settings,
        *,
        loop: asyncio.AbstractEventLoop,
        page: Page | None = None,
        admin: Admin | None = None,
        connection_closed: Callable[[Connection], None] = lambda _: None,
        slots: Slots | None = None,
        relay: Relay | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        limits = settings.limits
        self.settings = settings
        self.loop = loop
        self.clock = clock
        self.ids = RequestIds()
        self.exchange = TimedExchange if settings.server_timing else Exchange
        self.heads = Heads(settings.version, settings.cors, time.time())
        self.deadlines = Deadlines(clock, loop.call_later)
        self._request_deadlines = self.deadlines.row(settings.request_timeout_s)
        self.head_deadlines = self.deadlines.row(limits.head_s)
        self.drain_deadlines = self.deadlines.row(limits.body_first_byte_s)
        self.linger_deadlines = self.deadlines.row(limits.linger_s)
        self.connections: set[Connection] = set()
        self.in_progress = 0
        self.leaving = False
        self.giving = False
        self.refusing = False
        self._page = page or Page()
        self._give_away: GiveAway | None = None
        self._to_shed = 0
        self._connection_closed = connection_closed
        self._changed: asyncio.Event | None = None  # set while somebody waits for the end
        self._log = RequestLog(loop.call_later)
        self._complaints = Complaints(clock)
        self._bodies = Bodies(limits, clock, self.deadlines.row)
        self._scoring = Scoring(
            executor,
            gate,
            decode=Decoder([spec.name for spec in plan.inputs], [spec.name for spec in plan.inputs if spec.required]),
            bodies=self._bodies,
            can_stream=can_stream(plan),
            returned=plan.returned is not None,
            message_format=plan.message_format,
            literal_nan=settings.literal_nan,
            timed=settings.server_timing,
            ages_s=self.ages_s,
            count_wait=self._page.count_wait,
            full_message=f"The instance is full: it holds {settings.capacity} requests, the most it admits at once "
            f"(set by {settings.capacity_origin}). Try again later.",
            slots=slots,
            relay=relay,
        )
        self._answers = Answers(plan, vitals, settings)
        self._routes = table(self._answers, self._score, self._feedback, admin)

    # -- For the worker ----------------------------------------------------------------------------

    def protocol(self, received: bytes = b"") -> Connection:
        """The protocol of a new connection, or of one from another process that has ``received`` something already."""
        return Connection(self, received)

    def tick(self) -> None:
        """Once a second: take the time of day, cut off connections that are idle or stuck for too long."""
        self.heads.refresh(time.time())
        self._page.flush()
        waiting = [connection for connection in self.connections if connection.state is not State.BUSY]
        now_s, limits = self.clock(), self.settings.limits
        for connection in overdue(waiting, now_s, limits):
            connection.abort()
        for connection in waiting:  # TLS: closed, but its client does not say goodbye
            if connection.state is State.CLOSED and connection.since_s + limits.linger_s < now_s and connection.is_sent:
                connection.abort()

    def ages_s(self) -> list[float]:
        """How long the oldest requests have been running, longest first."""
        self._page.flush()
        now_s = self.clock()
        oldest = (item for item in self._request_deadlines.oldest(_OLDEST) if isinstance(item, Exchange))
        running = (one.began_s for one in oldest if one.scored and one.stage in _RUNNING)
        return sorted((now_s - began_s for began_s in running), reverse=True)

    def idle_connections(self) -> list[Connection]:
        """Connections between two requests. Each may be given away: :meth:`Connection.to_move`."""
        return [connection for connection in self.connections if connection.state is State.IDLE]

    def shed(self, number: int, give_away: GiveAway) -> None:
        """Give so many connections away, each as soon as it is between two requests: others have too few."""
        if not self.leaving:
            self._to_shed, self._give_away, self.giving = number, give_away, number > 0

    def refuse(self) -> None:
        """From now on: idle connections are closed, new requests answered 503, replies end their connections."""
        self.leaving = self.refusing = self.giving = True
        for connection in self.idle_connections():
            connection.close()

    async def retire(self, give_away: GiveAway, expects: Expects, deadline_s: float) -> int:
        """Serve on, but give every connection away as soon as it is between two requests.

        ``give_away`` is to send what :meth:`Connection.to_move` tells, if there is somebody to have it. Ends when all
        are gone and no other is expected, at the latest at ``deadline_s``: then drops what is left, and gives the
        number of requests that were dropped.
        """
        self._give_away = give_away
        self.leaving = self.giving = True
        while (self.connections or expects()) and self.clock() < deadline_s:
            waiting = [c for c in self.connections if c.state in BETWEEN and c.is_movable]
            for connection in itertools.islice(waiting, _GIVEN_AT_ONCE):
                if not self.lets_go(connection):
                    break
            await asyncio.sleep(_GIVE_AGAIN_S)
        return await self._drop()

    async def finish(self, deadline_s: float, expects: Expects = lambda: False) -> int:
        """Wait until every request is answered and every connection closed, at most until ``deadline_s`` on the clock.

        ``expects`` tells whether connections are on their way to this process. Then drops what is left. Gives the
        number of requests that were dropped.
        """
        self._changed = asyncio.Event()
        while True:
            self.refuse()  # again and again: connections may still be on their way to this worker
            left_s = deadline_s - self.clock()
            if not (self.connections or expects()) or left_s <= 0:
                break
            self._changed.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(min(left_s, _LOOK_AGAIN_S)):
                    await self._changed.wait()
        return await self._drop()

    async def _drop(self) -> int:
        dropped = self.in_progress
        for connection in list(self.connections):
            connection.abort()
        while self.connections:  # the transports tell within a turn or two of the loop; their requests are cancelled
            await asyncio.sleep(0)
        self._log.flush()
        return dropped

    # -- For connections ---------------------------------------------------------------------------

    def greet(self, connection: Connection) -> None:
        """A client is there."""
        assert connection.transport is not None
        tcp_keepalive(connection.transport)
        self.connections.add(connection)

    def lets_go(self, connection: Connection) -> bool:
        """Close a connection that is between two requests, or give it away, where that is wanted. False if it stays."""
        if self.refusing:
            connection.close()
        elif self._give_away is not None:
            if not self.leaving:
                self._to_shed -= 1
                self.giving = self._to_shed > 0
            self._give_away(connection)
        return connection.state is State.CLOSED

    def begin(self, exchange: Exchange) -> None:
        """A request has come, with all of its head."""
        self.in_progress += 1
        try:
            action = find(self._routes, exchange, self._answers.options)
            if self.refusing and action in (self._score, self._feedback):
                exchange.scored = action == self._score
                raise Unavailable("The instance is shutting down.", headers={"Retry-After": "1"})
            action(exchange)
        except RequestError as error:
            self._fail(exchange, error)
        except Exception:
            self._fail_by_bug(exchange)

    def refuse_head(self, exchange: Exchange, error: RequestError) -> None:
        """A request has come whose head alone is reason enough to refuse it."""
        self.in_progress += 1
        exchange.close = True
        exchange.fail(error)

    def head_too_large(self) -> HeadersTooLarge:
        """The error for it."""
        limit = self.settings.limits.head_bytes
        return HeadersTooLarge(f"The request line and headers are larger than {limit} bytes.")

    def body_too_large(self) -> PayloadTooLarge:
        """The error for a body that is announced to be larger than any can be."""
        return PayloadTooLarge(f"The body is larger than {self.settings.limits.body_bytes} bytes, the body limit.")

    def ended(self, exchange: Exchange) -> None:
        """The request is answered, or its client has gone."""
        self.in_progress -= 1
        status = exchange.status
        took_s = self.clock() - exchange.arrived_s
        if exchange.scored:
            self._page.count_scored(status, took_s)
        else:
            self._page.count_other(status)
        if self.settings.access_log or took_s > self.settings.slow_s:
            self._log.add(exchange, took_s)
        elif status in (429, 503):
            self._complaints.say(status, "refused with %d: request %s", status, exchange.request_id)
        if self._changed is not None:
            self._changed.set()

    def rejection(self, error: RequestError) -> bytes:
        """The answer to what never became a request; it is logged and counted."""
        body, request_id = encode_error(error.code, error.message), self.ids.new()
        self._page.count_other(error.status)
        self._complaints.say(error.status, "rejected with %d: %s (%s)", error.status, error.message, request_id)
        ending = "Connection: close\r\n"
        return self.heads.render(error.status, JSON, len(body), request_id=request_id, extra=ending) + body

    def forget_deadlines(self, connection: Connection) -> None:
        """The connection waits for nothing any more."""
        self.head_deadlines.discard(connection)
        self.drain_deadlines.discard(connection)
        self.linger_deadlines.discard(connection)

    def lost(self, connection: Connection) -> None:
        """The connection is closed."""
        self.connections.discard(connection)
        if self._changed is not None:
            self._changed.set()
        self._connection_closed(connection)

    # -- Routes that wait --------------------------------------------------------------------------

    def _score(self, exchange: Exchange) -> None:
        exchange.scored = True
        self._start(exchange, self._scoring.serve)

    def _feedback(self, exchange: Exchange) -> None:
        self._start(exchange, self._take_feedback)

    async def _take_feedback(self, exchange: Exchange) -> None:
        await self._bodies.receive(exchange)
        exchange.reply(200, b'{"status": "Feedback received."}')

    def _start(self, exchange: Exchange, serve: Serve) -> None:
        # The constant name spares the formatting of one; the task copies the context, so requests share none.
        exchange.task = asyncio.Task(self._answer(exchange, serve), loop=self.loop, name="request")

    async def _answer(self, exchange: Exchange, serve: Serve) -> None:
        """Serve, and answer whatever comes of it."""
        self._request_deadlines.add(exchange, exchange.arrived_s)
        REQUEST_ID.set(exchange.request_id)
        DEADLINE_S.set(exchange.arrived_s + self.settings.request_timeout_s)
        try:
            await serve(exchange)
        except RequestError as error:
            self._fail(exchange, error)
            self._complaints.say_failure(error, exchange.request_id)
        except asyncio.CancelledError as cancelled:
            if exchange.status < 0:
                raise  # the client has gone
            nodes = cancelled.args[0] if cancelled.args and isinstance(cancelled.args[0], tuple) else ()
            exchange.fail(exchange.timeout_error(nodes) if exchange.expired else UserError(_CANCELLED_BY_ITSELF))
        except GeneratorExit:
            raise
        except BaseException:  # user code runs in properties too, and asyncio would lose what is no Exception
            self._fail_by_bug(exchange)
        finally:
            self._request_deadlines.discard(exchange)

    def _fail(self, exchange: Exchange, error: RequestError) -> None:
        if isinstance(error, TooManyRequests | Unavailable):
            self._page.count_refusal(Refusal[error.cause.upper()])
        exchange.fail(error)

    def _fail_by_bug(self, exchange: Exchange) -> None:
        """Log the exception being handled; the client is told nothing but where to look."""
        _log.exception("request %s failed by a bug", exchange.request_id)
        exchange.fail(
            SystemFailure(f"The server failed to serve this request; its log says why (request {exchange.request_id}).")
        )
