"""Accept and spread: every connection goes to the live seat with the fewest, before a byte of it is read.

All workers watch the same listening sockets. Whoever wakes first accepts one connection and either adopts it or passes
it on through another seat's inbox. Nothing here reads or writes a connection. A worker that leaves passes on those it
has, each with the bytes that it has received and not acted on.

The region counts a connection when its seat is chosen, so that a burst spreads evenly before the first one has
arrived. A worker killed between that count and the sending leaves its target one count too high; the target notices
that the connection never came.
"""

from __future__ import annotations

import asyncio
import enum
import errno
import itertools
import logging
import os
import socket
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from ssl import SSLContext, SSLError
from typing import Protocol

from pfserve.region import Region
from pfserve.worker.descriptors import has_descriptor
from pfserve.worker.inbox import MOST_RECEIVED_BYTES, STALE_AFTER_NS, Inbox
from pfserve.worker.tls import HANDSHAKE_S, SHUTDOWN_S

BACKLOG = 2048  # the kernel lowers it to net.core.somaxconn
PAUSE_S = 0.1  # without a descriptor left
TAKEN_PER_WAKE_UP = 16
MOVED_AT_ONCE = 200  # a move costs some 13 µs of the loop
BALANCES_IN_VAIN = 3  # until a connection that was announced is given up
COMPLAINT_EVERY_NS = 1_000_000_000

_EXHAUSTED = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})

_log = logging.getLogger(__name__)


class Detachable(Protocol):
    """A connection that can leave this process. The web room's connections are."""

    def to_move(self, most_bytes: int) -> tuple[socket.socket, bytes] | None:
        """The socket, and what was received and not acted on; None where it stays: it just became busy, for example.

        The connection is its own still. No copy of the socket is made: a move must not need a descriptor.
        """

    def abort(self) -> None:
        """Let go of the socket, of which another process has a copy. ``connection_lost`` of the protocol follows."""


class AcceptState(enum.Enum):
    """What an acceptor does about its listening sockets."""

    NEW = "new"  # watches nothing yet
    OPEN = "open"  # watches inbox and listeners
    PAUSED = "paused"  # inbox only: at its limit, or short of descriptors
    STOPPED = "stopped"  # inbox only, for good: draining or retiring
    CLOSED = "closed"


def surplus(counts: Sequence[int], own: int) -> int:
    """How many connections a seat should give away so that all seats come to within one of each other.

    A seat gives what it has above the mean: then several seats that give at the same time do not give too much.

    Args:
        counts: connections of every live seat, this one included.
        own: connections of this seat.
    """
    if not counts or own <= min(counts) + 1:
        return 0
    mean = -(-sum(counts) // len(counts))
    return max(1, own - mean)


class Acceptor:
    """Brings connections to a worker: from the listening sockets and from the inbox of its seat.

    ``shed(number, give)`` has so many connections given, once each is between two requests; a later call replaces it.
    The worker sets its seat LIVE, calls :meth:`start`, then :meth:`balance` once a second; it tells the web room to
    call :meth:`connection_lost` once for every connection that ends. To drain it sets its seat DRAINING and calls
    :meth:`stop_accepting`, and in the end :meth:`close`.
    """

    def __init__(
        self,
        *,
        loop: asyncio.AbstractEventLoop,
        region: Region,
        seat: int,
        inboxes: Mapping[int, Inbox],
        listeners: Sequence[socket.socket],
        protocol_factory: Callable[[bytes], asyncio.BaseProtocol],
        idle_connections: Callable[[], Iterable[Detachable]],
        shed: Callable[[int, Callable[[Detachable], object]], None],
        max_connections: int,
        tls: SSLContext | None = None,
        clock_ns: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        self._loop = loop
        self._region = region
        self._seat = seat
        self._epoch = region.epochs[seat]
        self._inboxes = inboxes
        self._listeners = listeners
        self._protocol_factory = protocol_factory
        self._idle_connections = idle_connections
        self._shed = shed
        self._max_connections = max_connections
        self._tls = tls
        self._clock_ns = clock_ns
        self._state = AcceptState.NEW
        self._held = 0  # connections adopted and not yet lost: the region's count, less those on their way
        self._in_vain = 0  # calls of balance that found one on its way, since one last came
        self._adopting: set[asyncio.Task[object]] = set()
        self._complained_ns = -COMPLAINT_EVERY_NS

    def start(self) -> None:
        """Listen (the sockets were only bound until now), and take connections from listeners and inbox."""
        for listener in self._listeners:
            listener.setblocking(False)
            listener.listen(BACKLOG)
        self._watch_inbox()
        self._open()

    def connection_lost(self) -> None:
        """Count one connection of this worker less: it closed, or it left for another seat."""
        self._held -= 1
        self._region.connection_closed(self._seat, self._epoch)
        if self._state is AcceptState.PAUSED:
            self._resume()

    def expects(self) -> bool:
        """Whether a connection is on its way to this worker, or just being adopted."""
        return bool(self._adopting) or self._region.connections[self._seat] > self._held

    def balance(self) -> None:
        """Give idle connections to the seats with the fewest where this one has too many. Call it once a second."""
        self._recount()
        self._region.exhausted[self._seat] = not has_descriptor()
        if self._state is AcceptState.PAUSED:
            self._resume()
        if self._state in (AcceptState.OPEN, AcceptState.PAUSED):
            self._rebalance()

    def stop_accepting(self) -> None:
        """Leave the listeners alone for good. What other workers have already passed is still adopted.

        Where the whole instance drains nobody else will: the connections that wait in the backlog are adopted first.
        """
        self._ignore_listeners()
        self._state = AcceptState.STOPPED
        if self._region.draining:
            for listener in self._listeners:
                self._empty_backlog(listener)

    def give_up_handshakes(self) -> None:
        """Send those away that have not finished their TLS handshake: no request of theirs can be there."""
        if self._tls is not None:
            for task in self._adopting:
                task.cancel()

    def close(self) -> None:
        """Watch nothing any more and close this worker's copies of the listeners. The inbox stays the master's."""
        self._ignore_listeners()
        self._loop.remove_reader(self._inboxes[self._seat])
        self._state = AcceptState.CLOSED
        for listener in self._listeners:
            listener.close()

    # -- From the listeners ------------------------------------------------------------------------

    def _on_listener(self, listener: socket.socket) -> None:
        """One connection per wake-up: the other workers, awake as well, accept the next ones."""
        if self._full():
            self._pause()
            self._loop.call_later(PAUSE_S, self._resume)  # others may get room, or this generation serve
        elif connection := self._accept(listener):
            self._place(connection)

    def _accept(self, listener: socket.socket) -> socket.socket | None:
        try:
            connection, _ = listener.accept()
        except OSError as problem:  # taken by another worker, or gone again, unless exhausted
            if problem.errno in _EXHAUSTED:
                self._exhausted(problem.errno)
            return None
        connection.setblocking(False)
        return connection

    def _place(self, connection: socket.socket) -> None:
        seat, epoch = self._region.least_connected(self._seat, self._clock_ns(), STALE_AFTER_NS)
        if seat == self._seat:
            self._adopt(connection)
        else:
            self._pass(connection, seat, epoch)

    def _pass(self, connection: socket.socket, seat: int, epoch: int) -> None:
        """Give the connection to a seat that has counted it; adopt it where that fails."""
        if self._send(seat, epoch, connection):
            connection.close()
        else:
            self._region.connection_closed(seat, epoch)
            self._region.connection_adopted(self._seat)
            self._adopt(connection)

    def _send(self, seat: int, epoch: int, connection: socket.socket, received: bytes = b"") -> bool:
        try:
            self._inboxes[seat].put(connection, epoch, received)
        except OSError:  # its inbox is full, or too many descriptors are under way
            return False
        return True

    def _empty_backlog(self, listener: socket.socket) -> None:
        while not self._full() and (connection := self._accept(listener)):
            self._region.connection_adopted(self._seat)
            self._adopt(connection)

    # -- From the inbox ----------------------------------------------------------------------------

    def _on_inbox(self) -> None:
        inbox = self._inboxes[self._seat]
        for _ in range(TAKEN_PER_WAKE_UP):
            letter = inbox.take()
            if letter is None:
                return
            self._in_vain = 0
            if letter.epoch != self._epoch:  # it was passed to a worker that sat here before
                self._region.connection_adopted(self._seat)
            if letter.connection is None:
                return self._lost_in_the_post()
            self._adopt(letter.connection, letter.received)

    def _lost_in_the_post(self) -> None:
        """This process had no descriptor left for a connection. Let the next ones wait."""
        self._region.connection_closed(self._seat, self._epoch)
        self._loop.remove_reader(self._inboxes[self._seat])
        self._loop.call_later(PAUSE_S, self._watch_inbox)
        self._exhausted(errno.EMFILE)

    def _watch_inbox(self) -> None:
        if self._state is not AcceptState.CLOSED:
            self._loop.add_reader(self._inboxes[self._seat], self._on_inbox)

    # -- Adoption ----------------------------------------------------------------------------------

    def _adopt(self, connection: socket.socket, received: bytes = b"") -> None:
        """Make the connection this worker's. It is counted already; TCP_NODELAY is set by the event loop."""
        self._held += 1
        protocol = partial(self._protocol_factory, received)
        if self._tls is None or connection.family == socket.AF_UNIX:
            adoption = self._loop.connect_accepted_socket(protocol, connection)
        else:
            adoption = self._loop.connect_accepted_socket(
                protocol,
                connection,
                ssl=self._tls,
                ssl_handshake_timeout=HANDSHAKE_S,
                ssl_shutdown_timeout=SHUTDOWN_S,
            )
        task = self._loop.create_task(adoption)
        self._adopting.add(task)
        task.add_done_callback(self._adopted)

    def _adopted(self, task: asyncio.Task[object]) -> None:
        self._adopting.discard(task)
        problem = None if task.cancelled() else task.exception()
        if problem is None and not task.cancelled():
            return
        self.connection_lost()
        if self._tls is not None and isinstance(problem, SSLError | OSError):  # a client that speaks no TLS, or is gone
            # No more than counted: whoever scans ports must not fill the log.
            self._region.ledger.pages[self._seat].count_failed_handshake()
            _log.debug("a TLS handshake failed: %s", problem.args[-1] if problem.args else type(problem).__name__)
        elif problem is not None:
            _log.error("a connection could not be adopted", exc_info=problem)

    # -- Pausing -----------------------------------------------------------------------------------

    def _full(self) -> bool:
        """Whether nobody has room: a generation that gets ready passes on all that it accepts, and has room itself."""
        region = self._region
        if region.connections[self._seat] >= self._max_connections:
            return True
        if region.generations[self._seat] == region.serving_generation:
            return False
        return min(self._live_counts(), default=0) >= self._max_connections

    def _open(self) -> None:
        self._state = AcceptState.OPEN
        for listener in self._listeners:
            self._loop.add_reader(listener, self._on_listener, listener)

    def _pause(self) -> None:
        """Leave new connections in the backlog, for workers with room or for later.

        A worker at its limit need not look at the others: while one of them is below its own limit it still watches
        the listeners, and it passes only to seats with even fewer.
        """
        self._ignore_listeners()
        self._state = AcceptState.PAUSED

    def _resume(self) -> None:
        if self._state is AcceptState.PAUSED and not self._full():
            self._open()

    def _ignore_listeners(self) -> None:
        if self._state is AcceptState.OPEN:
            for listener in self._listeners:
                self._loop.remove_reader(listener)

    def _exhausted(self, cause: int) -> None:
        self._region.exhausted[self._seat] = 1  # until balance finds otherwise
        if self._state is AcceptState.OPEN:
            self._pause()
            self._loop.call_later(PAUSE_S, self._resume)
        self._complain("cannot accept connections: %s; raise the limit of open files (ulimit -n)", os.strerror(cause))

    def _complain(self, text: str, cause: object) -> None:
        now_ns = self._clock_ns()
        if now_ns - self._complained_ns >= COMPLAINT_EVERY_NS:
            self._complained_ns = now_ns
            _log.error(text, cause)

    # -- Rebalancing -------------------------------------------------------------------------------

    def _recount(self) -> None:
        """Uncount a connection that was announced but never comes: its sender was killed in between."""
        on_their_way = self._region.connections[self._seat] - self._held
        self._in_vain = self._in_vain + 1 if on_their_way > 0 else 0
        if self._in_vain == BALANCES_IN_VAIN:
            self._in_vain = 0
            self._region.connection_closed(self._seat, self._epoch)
        elif on_their_way < 0:  # it came after all: its sender was only stopped
            self._region.connection_adopted(self._seat)

    def _rebalance(self) -> None:
        """After a respawn the new worker has no connections while the others have too many.

        Idle ones move now; under load there may be none, so others follow when they are between two requests.
        """
        excess = min(self._surplus(), MOVED_AT_ONCE)
        idle = list(itertools.islice(self._idle_connections(), excess))
        for connection in idle:
            if not self.pass_on(connection):
                break
        self._shed(excess - len(idle), self._pass_on_surplus)

    def _pass_on_surplus(self, connection: Detachable) -> None:
        if self._surplus():  # still
            self.pass_on(connection)

    def _surplus(self) -> int:
        return surplus(self._live_counts(), self._region.connections[self._seat])

    def _live_counts(self) -> list[int]:
        targets = self._region.targets(self._seat, self._clock_ns(), STALE_AFTER_NS)
        return [self._region.connections[seat] for seat in targets]

    def pass_on(self, idle: Detachable) -> bool:
        """Move one connection, unless it just became busy. False: there is no use in trying the next one now."""
        seat, epoch = self._region.least_connected(self._seat, self._clock_ns(), STALE_AFTER_NS)
        moving = idle.to_move(MOST_RECEIVED_BYTES) if seat != self._seat else None
        if moving is not None and self._send(seat, epoch, *moving):
            idle.abort()
            return True
        self._region.connection_closed(seat, epoch)
        return moving is None and seat != self._seat
