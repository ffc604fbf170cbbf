"""Requests and connections brought together: which goes where, which waits, which is dropped, which took too long."""

from __future__ import annotations

import asyncio
import errno
import ssl
import time
from collections import deque

from ..sample import Cause, Outcome, outcome_of
from .answer import Answer
from .connection import Connection
from .ledger import Ledger
from .plan import Plan
from .shot import Shot
from .timer import Timer

SWEEP_S = 0.02
_NS = 1_000_000_000


class Crew:
    """The connections of one generator process."""

    def __init__(self, plan: Plan, ledger: Ledger, timer: Timer, loop: asyncio.AbstractEventLoop) -> None:
        self._plan = plan
        self._ledger = ledger
        self._timer = timer
        self._loop = loop
        self._timeout_ns = int(plan.timeout_s * _NS)
        self._tls = _tls(plan)
        self._is_head = plan.workload.method == "HEAD"
        self._idle: deque[Connection] = deque()
        self._open: set[Connection] = set()
        self._opening = 0
        self._tasks: set[asyncio.Task[None]] = set()  # that open them; a task outlives the opening
        self._waiting: deque[Shot] = deque()
        self._pending: dict[Shot, Connection | None] = {}  # in the order in which patience ends; retries at most later
        self._pausing = 0  # requests that a Retry-After holds back
        self.most_open = 0

    @property
    def is_busy(self) -> bool:
        """Whether a request has no sample yet."""
        return bool(self._pending or self._pausing)

    def state(self) -> dict[str, int]:
        """For the watch."""
        return {"in_flight": len(self._pending), "waiting": len(self._waiting), "most_open": self.most_open}

    def submit(self, shot: Shot) -> None:
        """Send it, or let it wait for a connection, or drop it."""
        pending = self._pending
        if len(pending) >= self._plan.max_in_flight:
            self._record(shot, Outcome.DROPPED, Cause.IN_FLIGHT_LIMIT)
            return
        if self._idle:
            connection = self._idle.popleft()  # the one that has rested longest: load spreads over all of them
            pending[shot] = connection
            connection.send(shot)
            return
        pending[shot] = None
        self._waiting.append(shot)
        self._open_more()

    def sweep(self) -> None:
        """End what has outlasted the client's patience."""
        limit_ns = time.monotonic_ns() - self._timeout_ns
        while self._pending:
            shot = next(iter(self._pending))
            if shot.waits_since_ns > limit_ns:
                break
            connection = self._pending.pop(shot)
            if connection is not None:
                self._open.discard(connection)
                connection.give_up()
            self._record(shot, Outcome.TIMED_OUT, Cause.CLIENT_TIMEOUT)
        self._open_more()  # in place of those that were given up

    def close(self) -> None:
        """Let go of every connection."""
        for connection in list(self._open):
            connection.give_up()

    # -- told by connections -----------------------------------------------------------------------

    def opened(self, connection: Connection) -> None:
        """A first request for it, or none any more."""
        self._opening -= 1
        self._open.add(connection)
        self.most_open = max(self.most_open, len(self._open))
        self._employ(connection)

    def finished(self, connection: Connection, shot: Shot, answer: Answer, cause: Cause) -> None:
        """Record the sample, and give the connection something to do."""
        del self._pending[shot]
        outcome = outcome_of(answer.status) if cause is Cause.NONE else Outcome.CONNECTION
        self._ledger.sample(shot, outcome, cause, answer)
        may_come_again = shot.attempt < self._plan.retries and answer.status in (429, 503)
        after_s = answer.retry_after_s if may_come_again else None
        if after_s is not None and after_s > self._plan.timeout_s:
            after_s = None  # longer than the client is patient
        if connection.is_usable:
            answer.clear()
            self._employ(connection)
        else:
            self._open.discard(connection)
            self._open_more()
        if after_s is not None:
            self._retry(shot, after_s)
        else:
            shot.ended(outcome)

    def lost(self, connection: Connection) -> None:
        """An idle one was closed by the server, or a given-up one is gone."""
        self._open.discard(connection)
        if connection in self._idle:
            self._idle.remove(connection)

    # -- inside ------------------------------------------------------------------------------------

    def _employ(self, connection: Connection) -> None:
        waiting = self._waiting
        while waiting:
            shot = waiting.popleft()
            if shot in self._pending:  # it may have run out of patience
                self._pending[shot] = connection
                connection.send(shot)
                return
        self._idle.append(connection)

    def _open_more(self) -> None:
        room = self._plan.connections - len(self._open) - self._opening
        for _ in range(min(room, len(self._waiting) - self._opening)):
            self._opening += 1
            task = self._loop.create_task(self._connect())
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _connect(self) -> None:
        plan, target = self._plan, self._plan.workload.target
        connection = Connection(self, is_head=self._is_head, closes=plan.workload.closes)
        name = target.host if self._tls else None
        try:
            async with asyncio.timeout(plan.timeout_s):
                await self._loop.create_connection(
                    lambda: connection, plan.address, target.port, ssl=self._tls, server_hostname=name
                )
        except (OSError, TimeoutError) as problem:
            if not connection.was_opened:
                self._opening -= 1
                self._failed(cause_of_failure(problem))

    def _failed(self, cause: Cause) -> None:
        """No connection came: that is the answer to whoever waits longest."""
        while self._waiting:
            shot = self._waiting.popleft()
            if shot in self._pending:
                del self._pending[shot]
                self._record(shot, Outcome.CONNECTION, cause)
                break
        self._open_more()

    def _record(self, shot: Shot, outcome: Outcome, cause: Cause) -> None:
        self._ledger.sample(shot, outcome, cause, None)
        shot.ended(outcome)

    def _retry(self, shot: Shot, after_s: float) -> None:
        self._pausing += 1

        def again() -> None:
            self._pausing -= 1
            self.submit(shot.again(time.monotonic_ns()))

        self._timer.at(time.monotonic_ns() + int(after_s * _NS), again)


def _tls(plan: Plan) -> ssl.SSLContext | None:
    if not plan.workload.target.tls:
        return None
    context = ssl.create_default_context()
    if not plan.verifies_tls:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def cause_of_failure(problem: Exception) -> Cause:
    """Why no connection came."""
    if isinstance(problem, ssl.SSLError):
        return Cause.TLS
    if isinstance(problem, ConnectionRefusedError):
        return Cause.CONNECT_REFUSED
    number = getattr(problem, "errno", None)
    if number in (errno.EMFILE, errno.ENFILE):
        return Cause.OUT_OF_FILES
    if number == errno.EADDRNOTAVAIL:
        return Cause.OUT_OF_PORTS
    return Cause.RESET if isinstance(problem, ConnectionResetError) else Cause.UNREACHABLE
