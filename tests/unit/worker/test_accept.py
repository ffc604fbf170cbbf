"""The acceptor's decisions, with a fake loop, region, listener and inboxes."""

from __future__ import annotations

import errno
import resource
from collections import deque
from collections.abc import Callable
from types import SimpleNamespace

import pytest

from pfserve.worker.accept import (
    BALANCES_IN_VAIN,
    COMPLAINT_EVERY_NS,
    MOVED_AT_ONCE,
    PAUSE_S,
    TAKEN_PER_WAKE_UP,
    Acceptor,
    surplus,
)
from pfserve.worker.inbox import MOST_RECEIVED_BYTES, Letter

OWN, OTHER, THIRD = 0, 1, 2


@pytest.mark.parametrize(
    ("counts", "own", "expected"),
    [
        ([], 0, 0),
        ([5], 5, 0),
        ([16, 16, 16, 16], 16, 0),
        ([17, 16, 16, 16], 17, 0),  # within one
        ([17, 17, 17, 16], 17, 0),
        ([18, 16, 16, 16], 18, 1),
        ([17, 17, 17, 15], 17, 1),  # the mean is 16.5: still one must go
        ([22, 21, 21, 0], 22, 6),  # after a respawn: what is above the mean
        ([22, 21, 21, 0], 21, 5),
        ([22, 21, 21, 0], 0, 0),
        ([2, 0], 2, 1),
        ([1, 0], 1, 0),
        ([10_000, 0], 10_000, 5_000),
    ],
)
def test_surplus(counts: list[int], own: int, expected: int) -> None:
    assert surplus(counts, own) == expected


@pytest.mark.parametrize("counts", [[22, 21, 21, 0], [64, 0, 0, 0], [17, 17, 17, 15], [62, 1, 1, 0], [7, 0], [9, 9, 0]])
def test_giving_all_at_once_ends_within_one_after_a_few_rounds(counts: list[int]) -> None:
    total = sum(counts)
    for _ in range(4):
        given = [surplus(counts, own) for own in counts]  # all decide on the same view
        for seat, number in enumerate(given):
            for _ in range(number):
                counts[seat] -= 1
                counts[counts.index(min(counts))] += 1
    assert max(counts) - min(counts) <= 1
    assert sum(counts) == total


class FakeSocket:
    def __init__(self, name: str = "") -> None:
        self.name = name
        self.closed = False
        self.received = b""  # handed to the protocol that adopts it

    def setblocking(self, flag: bool) -> None:
        assert flag is False

    def close(self) -> None:
        self.closed = True


class FakeListener(FakeSocket):
    def __init__(self) -> None:
        super().__init__("listener")
        self.queue: deque[FakeSocket | OSError] = deque()
        self.backlog = 0

    def listen(self, backlog: int) -> None:
        self.backlog = backlog

    def accept(self) -> tuple[FakeSocket, object]:
        if not self.queue:
            raise BlockingIOError(errno.EAGAIN, "nothing")
        first = self.queue.popleft()
        if isinstance(first, OSError):
            raise first
        return first, None


class FakeInbox:
    def __init__(self) -> None:
        self.letters: deque[Letter] = deque()
        self.problem: OSError | None = None

    def put(self, connection: FakeSocket, epoch: int, received: bytes = b"") -> None:
        if self.problem:
            raise self.problem
        self.letters.append(Letter(connection, epoch, received))

    def take(self) -> Letter | None:
        return self.letters.popleft() if self.letters else None


class FakeRegion:
    """Three live seats in epochs 7, 8 and 9."""

    def __init__(self) -> None:
        self.connections = [0, 0, 0]
        self.epochs = [7, 8, 9]
        self.live = [OWN, OTHER, THIRD]
        self.draining = False
        self.exhausted = [0, 0, 0]
        self.generations = [1, 1, 1]
        self.serving_generation = 1

    def targets(self, own_seat: int, now_ns: int, stale_after_ns: int) -> list[int]:
        return self.live

    def least_connected(self, own_seat: int, now_ns: int, stale_after_ns: int) -> tuple[int, int]:
        seat = min(self.live or [own_seat], key=lambda seat: (self.connections[seat], seat != own_seat))
        self.connections[seat] += 1
        return seat, self.epochs[seat]

    def connection_closed(self, seat: int, epoch: int) -> None:
        if self.epochs[seat] == epoch:
            self.connections[seat] -= 1

    def connection_adopted(self, seat: int) -> None:
        self.connections[seat] += 1


class FakeLoop:
    def __init__(self) -> None:
        self.readers: dict[object, tuple[object, tuple[object, ...]]] = {}
        self.timers: list[tuple[float, object]] = []
        self.adopted: list[FakeSocket] = []
        self.problem: Exception | None = None

    def add_reader(self, thing: object, callback: object, *values: object) -> None:
        self.readers[thing] = (callback, values)

    def remove_reader(self, thing: object) -> bool:
        return self.readers.pop(thing, None) is not None

    def wake(self, thing: object) -> None:
        callback, values = self.readers[thing]
        callback(*values)

    def call_later(self, delay_s: float, callback: object) -> None:
        self.timers.append((delay_s, callback))

    def ring(self) -> None:
        timers, self.timers = self.timers, []
        for _, callback in timers:
            callback()

    def connect_accepted_socket(self, factory: Callable[[], bytes], connection: FakeSocket) -> FakeSocket:
        connection.received = factory()
        return connection

    def create_task(self, connection: FakeSocket) -> FakeTask:
        if self.problem is None:
            self.adopted.append(connection)
        return FakeTask(self.problem)


class FakeTask:
    def __init__(self, problem: Exception | None) -> None:
        self.problem = problem

    def cancelled(self) -> bool:
        return False

    def exception(self) -> Exception | None:
        return self.problem

    def add_done_callback(self, callback: object) -> None:
        callback(self)


class Idle:
    def __init__(self, scene: Scene, busy: bool = False) -> None:
        self.scene = scene
        self.busy = busy
        self.aborted = False
        self.socket = FakeSocket()

    def to_move(self, most_bytes: int) -> tuple[FakeSocket, bytes] | None:
        assert most_bytes == MOST_RECEIVED_BYTES
        return None if self.busy else (self.socket, b"POST /sc")

    def abort(self) -> None:
        assert not self.aborted
        self.aborted = True
        self.scene.acceptor.connection_lost()


class Scene(SimpleNamespace):
    """An acceptor of seat 0 with its limit at 4, started, among fakes."""

    def __init__(self) -> None:
        super().__init__()
        self.loop, self.region, self.listener = FakeLoop(), FakeRegion(), FakeListener()
        self.inboxes = {seat: FakeInbox() for seat in (OWN, OTHER, THIRD)}
        self.inbox = self.inboxes[OWN]
        self.idle: list[Idle] = []
        self.shed: list[tuple[int, Callable[[Idle], None]]] = []
        self.now_ns = 0
        self.acceptor = Acceptor(
            loop=self.loop,
            region=self.region,
            seat=OWN,
            inboxes=self.inboxes,
            listeners=[self.listener],
            protocol_factory=lambda received: received,
            idle_connections=lambda: iter(self.idle),
            shed=lambda number, give: self.shed.append((number, give)),
            max_connections=4,
            clock_ns=lambda: self.now_ns,
        )
        self.acceptor.start()

    def arrive(self, number: int = 1) -> list[FakeSocket]:
        arrived = [FakeSocket(f"client {index}") for index in range(number)]
        self.listener.queue.extend(arrived)
        return arrived

    def accepting(self) -> bool:
        return self.listener in self.loop.readers


@pytest.fixture
def scene() -> Scene:
    return Scene()


def test_start_listens_and_watches_listener_and_inbox(scene: Scene) -> None:
    assert scene.listener.backlog == 2048
    assert set(scene.loop.readers) == {scene.listener, scene.inbox}


def test_one_connection_per_wake_up(scene: Scene) -> None:
    scene.arrive(3)
    scene.loop.wake(scene.listener)
    assert len(scene.listener.queue) == 2


def test_a_connection_goes_to_the_seat_with_the_fewest(scene: Scene) -> None:
    scene.region.connections = [2, 1, 2]
    (client,) = scene.arrive()
    scene.loop.wake(scene.listener)
    assert scene.inboxes[OTHER].letters == deque([(client, 8, b"")])
    assert client.closed, "this process keeps no copy"
    assert scene.region.connections == [2, 2, 2]
    assert scene.loop.adopted == []


def test_a_tie_is_adopted_here(scene: Scene) -> None:
    (client,) = scene.arrive()
    scene.loop.wake(scene.listener)
    assert scene.loop.adopted == [client]
    assert not client.closed
    assert scene.region.connections == [1, 0, 0]


@pytest.mark.parametrize("problem", [BlockingIOError(errno.EAGAIN, "full"), OSError(errno.ETOOMANYREFS, "too many")])
def test_a_connection_that_cannot_be_passed_is_adopted_here(scene: Scene, problem: OSError) -> None:
    scene.region.connections = [2, 1, 2]
    scene.inboxes[OTHER].problem = problem
    (client,) = scene.arrive()
    scene.loop.wake(scene.listener)
    assert scene.loop.adopted == [client]
    assert scene.region.connections == [3, 1, 2]


@pytest.mark.parametrize("problem", [BlockingIOError(errno.EAGAIN, ""), ConnectionAbortedError(errno.ECONNABORTED, "")])
def test_a_connection_that_another_took_or_that_is_gone_changes_nothing(scene: Scene, problem: OSError) -> None:
    scene.listener.queue.append(problem)
    scene.loop.wake(scene.listener)
    assert scene.region.connections == [0, 0, 0]
    assert scene.accepting()


def test_passed_connections_are_adopted_and_were_counted_by_the_sender(scene: Scene) -> None:
    scene.region.connections = [1, 0, 0]
    client = FakeSocket()
    scene.inbox.put(client, 7)
    scene.loop.wake(scene.inbox)
    assert scene.loop.adopted == [client]
    assert scene.region.connections == [1, 0, 0]


def test_connections_passed_to_a_predecessor_are_counted_again(scene: Scene) -> None:
    scene.inbox.put(FakeSocket(), 6)
    scene.loop.wake(scene.inbox)
    assert scene.region.connections == [1, 0, 0]


def test_a_full_inbox_is_taken_in_turns_of_the_loop(scene: Scene) -> None:
    for _ in range(TAKEN_PER_WAKE_UP + 1):
        scene.inbox.put(FakeSocket(), 7)
    scene.loop.wake(scene.inbox)
    assert len(scene.loop.adopted) == TAKEN_PER_WAKE_UP


def test_a_connection_that_cannot_be_adopted_is_not_counted(scene: Scene, caplog: pytest.LogCaptureFixture) -> None:
    scene.loop.problem = OSError(errno.ENOTCONN, "gone")
    scene.arrive()
    scene.loop.wake(scene.listener)
    assert scene.region.connections == [0, 0, 0]
    assert "could not be adopted" in caplog.text


def test_at_its_limit_a_worker_leaves_the_backlog_alone_until_one_closes(scene: Scene) -> None:
    scene.region.connections = [4, 4, 4]
    scene.arrive()
    scene.loop.wake(scene.listener)
    assert not scene.accepting()
    assert len(scene.listener.queue) == 1, "not accepted, so not refused either"
    assert scene.inbox in scene.loop.readers

    scene.acceptor.connection_lost()
    assert scene.accepting()


def test_a_worker_that_gets_ready_accepts_nothing_for_others_at_their_limit(scene: Scene) -> None:
    scene.region.generations[OWN] = 2
    scene.region.live = [OTHER, THIRD]
    scene.region.connections = [0, 4, 4]
    scene.arrive()
    scene.loop.wake(scene.listener)
    assert not scene.accepting()
    assert len(scene.listener.queue) == 1

    scene.region.serving_generation, scene.region.live = 2, [OWN]
    scene.loop.ring()
    assert scene.accepting(), "now it serves itself"


def test_a_count_lowered_by_another_is_seen_within_a_second(scene: Scene) -> None:
    scene.region.connections = [4, 4, 4]
    scene.loop.wake(scene.listener)
    scene.acceptor.balance()
    assert not scene.accepting()

    scene.region.connection_closed(OWN, 7)
    scene.acceptor.balance()
    assert scene.accepting()


@pytest.mark.parametrize("code", [errno.EMFILE, errno.ENFILE])
def test_without_descriptors_it_pauses_and_says_so_once_a_second(
    scene: Scene, caplog: pytest.LogCaptureFixture, code: int
) -> None:
    for moment_ns in (0, COMPLAINT_EVERY_NS // 2, COMPLAINT_EVERY_NS):
        scene.now_ns = moment_ns
        scene.listener.queue.append(OSError(code, "too many open files"))
        scene.loop.wake(scene.listener)
        assert not scene.accepting()
        assert [delay_s for delay_s, _ in scene.loop.timers] == [PAUSE_S]
        scene.loop.ring()
        assert scene.accepting()
    assert len(caplog.records) == 2
    assert "ulimit -n" in caplog.text


def test_a_connection_lost_for_want_of_a_descriptor_holds_the_inbox_up(scene: Scene) -> None:
    scene.region.connections = [2, 2, 2]
    scene.inbox.letters.extend([Letter(None, 7, b""), Letter(FakeSocket(), 7, b"")])
    scene.loop.wake(scene.inbox)
    assert scene.region.connections == [1, 2, 2]
    assert scene.region.exhausted == [1, 0, 0], "nobody should pass it more"
    assert scene.loop.readers == {}

    scene.loop.ring()
    scene.loop.wake(scene.inbox)
    assert len(scene.loop.adopted) == 1
    assert scene.accepting()


def test_each_second_it_tells_whether_it_has_a_descriptor(scene: Scene) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, hard))
    try:
        scene.acceptor.balance()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert scene.region.exhausted == [1, 0, 0]
    scene.acceptor.balance()
    assert scene.region.exhausted == [0, 0, 0]


def test_stop_accepting_keeps_the_inbox_and_leaves_the_backlog_to_others(scene: Scene) -> None:
    scene.arrive()
    scene.acceptor.stop_accepting()
    assert set(scene.loop.readers) == {scene.inbox}
    assert len(scene.listener.queue) == 1


def test_stop_accepting_of_the_whole_instance_empties_the_backlog_first(scene: Scene) -> None:
    scene.region.draining = True
    clients = scene.arrive(3)
    scene.acceptor.stop_accepting()
    assert scene.loop.adopted == clients
    assert scene.region.connections == [3, 0, 0]
    assert set(scene.loop.readers) == {scene.inbox}


def test_nothing_resumes_after_stop_accepting(scene: Scene) -> None:
    scene.listener.queue.append(OSError(errno.EMFILE, "too many open files"))
    scene.loop.wake(scene.listener)
    scene.acceptor.stop_accepting()
    scene.region.connections = [9, 1, 1]
    scene.idle = [Idle(scene)]
    scene.loop.ring()
    scene.acceptor.balance()
    assert not scene.accepting()
    assert scene.region.connections == [9, 1, 1]


def test_close_watches_nothing_and_closes_the_listener(scene: Scene) -> None:
    scene.inbox.letters.append(Letter(None, 7, b""))
    scene.loop.wake(scene.inbox)
    scene.acceptor.close()
    scene.loop.ring()
    assert scene.loop.readers == {}
    assert scene.listener.closed


def test_balance_moves_the_surplus_to_the_fewest(scene: Scene) -> None:
    scene.region.connections = [6, 6, 0]
    scene.idle = [Idle(scene) for _ in range(6)]
    scene.acceptor.balance()
    assert [letter.epoch for letter in scene.inboxes[THIRD].letters] == [9, 9]
    assert scene.region.connections == [4, 6, 2]


def test_balance_leaves_busy_connections(scene: Scene) -> None:
    scene.region.connections = [6, 6, 0]
    scene.idle = [Idle(scene, busy=True), Idle(scene)]
    scene.acceptor.balance()
    assert scene.region.connections == [5, 6, 1]


def test_what_is_not_idle_moves_when_it_is_between_two_requests(scene: Scene) -> None:
    scene.region.connections = [6, 6, 0]
    scene.idle = [Idle(scene)]
    scene.acceptor.balance()
    [(number, give)] = scene.shed
    assert number == 1
    late = Idle(scene)
    give(late)
    assert late.aborted
    assert scene.region.connections == [4, 6, 2]
    scene.region.connections = [4, 4, 4]  # others have closed theirs meanwhile
    later = Idle(scene)
    give(later)
    assert not later.aborted
    scene.acceptor.balance()
    assert [number for number, _ in scene.shed] == [1, 0]


def test_balance_is_bounded(scene: Scene) -> None:
    scene.region.connections = [3000, 0, 0]
    scene.idle = [Idle(scene) for _ in range(3000)]
    scene.acceptor.balance()
    assert scene.region.connections[OWN] == 3000 - MOVED_AT_ONCE


def test_balance_looks_at_live_seats_only(scene: Scene) -> None:
    scene.region.connections = [6, 6, 0]
    scene.region.live = [OWN, OTHER]
    scene.idle = [Idle(scene)]
    scene.acceptor.balance()
    assert scene.region.connections == [6, 6, 0]


def test_a_connection_that_does_not_fit_into_an_inbox_stays(scene: Scene) -> None:
    scene.region.connections = [3, 3, 0]
    scene.inboxes[THIRD].problem = BlockingIOError(errno.EAGAIN, "full")
    scene.idle = [Idle(scene)]
    scene.acceptor.balance()
    assert not scene.idle[0].aborted
    assert not scene.acceptor.pass_on(scene.idle[0]), "there is no use in trying the next one now"
    assert scene.region.connections == [3, 3, 0]


def test_a_connection_that_never_comes_is_uncounted(scene: Scene) -> None:
    scene.region.connections = [1, 0, 0]  # announced by a worker that was killed before it could send
    for _ in range(BALANCES_IN_VAIN - 1):
        scene.acceptor.balance()
    assert scene.region.connections == [1, 0, 0], "it may still come"
    scene.acceptor.balance()
    assert scene.region.connections == [0, 0, 0]


def test_a_late_connection_is_counted_after_all(scene: Scene) -> None:
    scene.region.connections = [1, 0, 0]
    for _ in range(BALANCES_IN_VAIN):
        scene.acceptor.balance()
    scene.inbox.put(FakeSocket(), 7)
    scene.loop.wake(scene.inbox)
    scene.acceptor.balance()
    assert scene.region.connections == [1, 0, 0]


def test_connections_on_their_way_in_turn_are_not_given_up(scene: Scene) -> None:
    for number in range(2 * BALANCES_IN_VAIN):
        scene.region.connections[OWN] += 1
        scene.acceptor.balance()
        scene.inbox.put(FakeSocket(), 7)
        scene.loop.wake(scene.inbox)
        assert scene.region.connections[OWN] == number + 1


def test_what_was_received_travels_with_the_connection(scene: Scene) -> None:
    scene.region.connections = [1, 0, 2]
    leaving = Idle(scene)
    assert scene.acceptor.pass_on(leaving)
    assert scene.inboxes[OTHER].letters == deque([(leaving.socket, 8, b"POST /sc")])
    assert scene.region.connections == [0, 1, 2]

    scene.inbox.put(FakeSocket(), 7, b"ore")
    scene.loop.wake(scene.inbox)
    assert scene.loop.adopted[0].received == b"ore"


def test_without_another_seat_a_connection_stays(scene: Scene) -> None:
    scene.region.connections = [1, 0, 0]
    scene.region.live = []
    assert not scene.acceptor.pass_on(Idle(scene))
    assert scene.region.connections == [1, 0, 0]


def test_a_connection_is_expected_from_its_count_to_its_adoption(scene: Scene) -> None:
    assert not scene.acceptor.expects()
    scene.region.connections = [1, 0, 0]
    assert scene.acceptor.expects()
    scene.inbox.put(FakeSocket(), 7)
    scene.loop.wake(scene.inbox)
    assert not scene.acceptor.expects()
