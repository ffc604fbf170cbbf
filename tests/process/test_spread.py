"""Accept and spread between real processes: forked workers on uvloop with a protocol of one word per line."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import os
import signal
import socket
import time
import warnings
from collections import Counter
from collections.abc import Callable, Iterator

import pytest
import uvloop

from eventually import eventually
from pfserve.region import Region, SeatState
from pfserve.worker.accept import Acceptor
from pfserve.worker.inbox import STALE_AFTER_NS, Inbox, hand_over

BEAT_S = 0.1
PR_SET_PDEATHSIG = 1


class Words(asyncio.Protocol):
    """Answers each line with the seat and the line. Idle between lines."""

    def __init__(self, worker: Worker, received: bytes = b"") -> None:
        self.worker = worker
        self.unread = received

    def connection_made(self, transport: asyncio.Transport) -> None:
        self.transport = transport
        self.worker.connections.add(self)
        self.data_received(b"")

    def data_received(self, data: bytes) -> None:
        *lines, self.unread = (self.unread + data).split(b"\n")
        for line in lines:
            self.transport.write(b"%d %s\n" % (self.worker.seat, line))

    def connection_lost(self, problem: Exception | None) -> None:
        self.worker.connections.discard(self)
        if self.worker.acceptor:
            self.worker.acceptor.connection_lost()

    def to_move(self, most_bytes: int) -> tuple[socket.socket, bytes] | None:
        if self.transport.get_write_buffer_size() or len(self.unread) > most_bytes:
            return None
        return self.transport.get_extra_info("socket"), self.unread

    def abort(self) -> None:
        self.transport.abort()


def taken_away(transport: asyncio.Transport) -> socket.socket:
    """A copy of the descriptor survives its transport, and the peer notices nothing."""
    connection = socket.socket(fileno=os.dup(transport.get_extra_info("socket").fileno()))
    transport.abort()
    return connection


class Worker:
    def __init__(self, town: Town, seat: int, max_connections: int, busy_s: float) -> None:
        self.town = town
        self.seat = seat
        self.max_connections = max_connections
        self.busy_s = busy_s
        self.connections: set[Words] = set()
        self.acceptor: Acceptor | None = None

    async def run(self) -> None:
        loop, region = asyncio.get_running_loop(), self.town.region
        self.acceptor = Acceptor(
            loop=loop,
            region=region,
            seat=self.seat,
            inboxes=self.town.inboxes,
            listeners=[self.town.listener],
            protocol_factory=lambda received: Words(self, received),
            idle_connections=lambda: self.connections,
            shed=lambda number, give: None,
            max_connections=self.max_connections,
        )
        region.beats[self.seat] = time.monotonic_ns()
        region.states[self.seat] = SeatState.LIVE
        self.acceptor.start()
        while True:
            region.beats[self.seat] = time.monotonic_ns()
            self.acceptor.balance()
            await asyncio.sleep(BEAT_S)
            time.sleep(self.busy_s)

    async def run_plain(self) -> None:
        """The same protocol on the same listener, spread by the kernel alone."""
        await asyncio.get_running_loop().create_server(lambda: Words(self), sock=self.town.listener, backlog=2048)
        self.town.region.states[self.seat] = SeatState.LIVE
        await asyncio.sleep(3600)


class Town:
    """What a leader has: the region, an inbox per seat and the listening socket; it forks, reaps and vacates."""

    def __init__(self, seats: int) -> None:
        self.region = Region(64, seats)
        self.inboxes = {seat: Inbox() for seat in range(seats)}
        self.listener = socket.socket()
        self.listener.bind(("127.0.0.1", 0))
        self.pids: dict[int, int] = {}
        self.clients: list[socket.socket] = []

    def seat(self, seat: int, *, max_connections: int = 10_000, busy_s: float = 0.0, plain: bool = False) -> None:
        self.region.occupy(seat, generation=1)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # of a fork beside pytest's own threads
            pid = os.fork()
        if not pid:
            self._be_a_worker(Worker(self, seat, max_connections, busy_s), plain)
        self.pids[seat] = self.region.pids[seat] = pid
        eventually(lambda: self.region.states[seat] == SeatState.LIVE, within_s=10, why=f"seat {seat} should get live")

    def _be_a_worker(self, worker: Worker, plain: bool) -> None:
        try:
            ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
            for client in self.clients:
                client.close()
            uvloop.run(worker.run_plain() if plain else worker.run())
        finally:
            os._exit(1)

    def kill(self, seat: int) -> None:
        pid = self.pids.pop(seat)
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        self.region.vacate(seat)

    def stop(self, seat: int) -> None:
        os.kill(self.pids[seat], signal.SIGSTOP)
        os.waitid(os.P_PID, self.pids[seat], os.WSTOPPED | os.WNOWAIT)

    def connect(self, number: int) -> list[socket.socket]:
        clients = [socket.create_connection(self.listener.getsockname(), timeout=10) for _ in range(number)]
        self.clients += clients
        return clients

    def counts(self) -> list[int]:
        return list(self.region.connections)

    def even(self, total: int, seats: list[int] | None = None) -> bool:
        counts = self.counts() if seats is None else [self.region.connections[seat] for seat in seats]
        return sum(counts) == total and max(counts) - min(counts) <= 1

    def close(self) -> None:
        for seat in list(self.pids):
            self.kill(seat)
        for thing in (self.listener, *self.clients, *self.inboxes.values()):
            thing.close()


@pytest.fixture
def found() -> Iterator[Callable[[int], Town]]:
    with contextlib.ExitStack() as stack:

        def found_town(seats: int) -> Town:
            town = Town(seats)
            stack.callback(town.close)
            return town

        yield found_town


@pytest.fixture
def four(found: Callable[[int], Town]) -> Town:
    town = found(4)
    for seat in range(4):
        town.seat(seat)
    return town


def ask(client: socket.socket, word: str) -> int:
    """Send a word, check that it comes back, and give the seat that answered."""
    client.sendall(f"{word}\n".encode())
    answer = b""
    while not answer.endswith(b"\n"):
        piece = client.recv(100)
        assert piece, f"the connection was closed instead of answering {word!r}"
        answer += piece
    seat, echoed = answer.decode().split()
    assert echoed == word
    return int(seat)


def who_answers(clients: list[socket.socket]) -> Counter[int]:
    return Counter(ask(client, f"word-{index}") for index, client in enumerate(clients))


def test_a_burst_of_silent_connections_spreads_evenly(four: Town) -> None:
    clients = four.connect(64)

    eventually(lambda: four.even(64), within_s=5, why="64 connections should be 16 on each of 4 seats")
    assert set(who_answers(clients).values()) == {16}


def test_connections_one_after_another_spread_evenly(four: Town) -> None:
    seats = Counter(ask(four.connect(1)[0], "hello") for _ in range(64))

    assert four.counts() == [16, 16, 16, 16]
    assert set(seats.values()) == {16}


def test_the_kernel_alone_does_not_spread_evenly(found: Callable[[int], Town]) -> None:
    """That the tests above can fail."""
    town = found(4)
    for seat in range(4):
        town.seat(seat, plain=True)

    seats = who_answers([town.connect(1)[0] for _ in range(64)])

    assert max(seats.values()) - min(seats[seat] for seat in range(4)) > 1, seats


def test_closed_connections_are_made_up_for(four: Town) -> None:
    clients = four.connect(16)
    mine = [client for client in clients if ask(client, "hello") == 2]
    for client in mine:
        client.close()
    eventually(lambda: sum(four.counts()) == 12, within_s=5, why="closed connections should be uncounted")

    assert who_answers(four.connect(4))[2] >= 3  # idle ones may have been moved there meanwhile
    eventually(lambda: four.even(16), within_s=5, why="the spread should be even again")


def test_a_slow_seat_gets_its_share_and_serves_it(found: Callable[[int], Town]) -> None:
    town = found(4)
    town.seat(0, busy_s=0.05)
    for seat in (1, 2, 3):
        town.seat(seat)

    clients = town.connect(32)

    assert set(who_answers(clients).values()) == {8}


def test_a_stuck_seat_is_passed_nothing_once_stale_and_loses_nobody(four: Town) -> None:
    four.stop(0)
    early = four.connect(8)
    eventually(lambda: sum(four.counts()) == 8, within_s=5, why="the running seats should accept for all four")
    assert four.counts()[0] == 2, "not stale yet: it is a seat like the others"
    eventually(
        lambda: time.monotonic_ns() - four.region.beats[0] > STALE_AFTER_NS, within_s=5, why="the seat should get stale"
    )

    late = four.connect(12)
    seats = who_answers(late)

    assert seats[0] == 0
    assert four.counts()[0] == 2
    os.kill(four.pids[0], signal.SIGCONT)
    assert sum(who_answers(early).values()) == 8
    eventually(lambda: four.even(20), within_s=5, why="the seat that came back should get idle connections")
    assert sum(who_answers(early + late).values()) == 20


def test_connections_in_the_inbox_of_a_killed_worker_are_served_by_its_successor(four: Town) -> None:
    four.stop(0)
    clients = four.connect(8)
    eventually(lambda: sum(four.counts()) == 8, within_s=5, why="the running seats should accept for all four")
    four.kill(0)
    four.seat(0)

    assert who_answers(clients)[0] >= 2
    assert sum(four.counts()) == 8, "the successor counts what its predecessor was passed"


def test_connections_in_the_inbox_of_a_retired_seat_are_handed_over(four: Town) -> None:
    four.stop(0)
    clients = four.connect(8)
    eventually(lambda: sum(four.counts()) == 8, within_s=5, why="the running seats should accept for all four")
    four.kill(0)

    assert hand_over([0], four.region, four.inboxes, time.monotonic_ns()) == 2

    assert who_answers(clients)[0] == 0
    assert four.even(8, seats=[1, 2, 3])


def test_a_connection_that_was_counted_and_never_sent_is_forgotten(four: Town) -> None:
    four.region.least_connected(2, time.monotonic_ns(), STALE_AFTER_NS)  # and here the sender is killed

    eventually(lambda: four.counts() == [0, 0, 0, 0], within_s=5, why="what never comes should not stay counted")


def test_clients_of_a_killed_worker_that_reconnect_end_even(four: Town) -> None:
    clients = four.connect(32)
    lost = [client for client in clients if ask(client, "hello") == 1]
    four.kill(1)
    for client in lost:
        client.close()
    again = four.connect(len(lost))
    four.seat(1)

    eventually(lambda: four.even(32), within_s=5, why="reconnected clients should end even")
    assert set(who_answers([client for client in clients if client not in lost] + again).values()) == {8}


def test_idle_connections_move_to_a_respawned_worker_and_answer_on(four: Town) -> None:
    clients = four.connect(32)
    lost = [client for client in clients if ask(client, "hello") == 3]
    four.kill(3)
    clients = [client for client in clients if client not in lost] + four.connect(8)
    assert who_answers(clients)[3] == 0
    four.seat(3)

    rounds = 0
    while not four.even(32) or rounds < 3:  # ask while they move
        assert rounds < 1000, four.counts()
        rounds += 1
        assert sum(who_answers(clients).values()) == 32
    eventually(lambda: set(who_answers(clients).values()) == {8}, within_s=5, why="8 clients a seat should be served")


def test_connections_above_the_limit_wait_until_one_closes(found: Callable[[int], Town]) -> None:
    town = found(2)
    for seat in (0, 1):
        town.seat(seat, max_connections=3)
    inside, outside = town.connect(6), town.connect(2)
    assert set(who_answers(inside).values()) == {3}
    for client in outside:
        client.sendall(b"word\n")
        client.setblocking(False)
        with pytest.raises(BlockingIOError):
            client.recv(100)

    inside.pop().close()
    inside.pop().close()

    for client in outside:
        client.settimeout(10)
        assert client.recv(100).endswith(b" word\n")
    assert sum(town.counts()) == 6


def test_what_is_written_in_the_turn_of_a_move_and_what_comes_after_it_arrives() -> None:
    async def converse() -> bytes:
        loop = asyncio.get_running_loop()
        near, far = socket.socketpair()
        near.setblocking(False)
        far.settimeout(5)
        transport, _ = await loop.connect_accepted_socket(asyncio.Protocol, near)
        transport.write(b"answer")
        moved = taken_away(transport)
        await asyncio.sleep(0)
        far.sendall(b"question")
        with moved, far:
            heard = far.recv(100)
            await asyncio.sleep(0.01)
            assert transport.is_closing()
            return heard + b" " + moved.recv(100)

    assert uvloop.run(converse()) == b"answer question"
