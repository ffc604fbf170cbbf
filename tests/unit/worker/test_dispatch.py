"""Workers over one region, with mail, lanes and clock in the test's hand: who runs what, and when."""

from __future__ import annotations

import asyncio
import errno
from collections import deque
from collections.abc import Callable

import pytest

from pfserve.admission.slots import QUICK_S, STALLED_S
from pfserve.errors import TooManyRequests
from pfserve.region import Entry, Region, SeatState
from pfserve.worker.dispatch import LOOK_AGAIN_S, LOOKS_IN_VAIN, Dispatch, Waiter
from pfserve.worker.own_slots import GRANT_NS

START_S = 1000.0


class Timer:
    def __init__(self, due_s: float, call: Callable[[], object]) -> None:
        self.due_s, self.call, self.cancelled = due_s, call, False

    def cancel(self) -> None:
        self.cancelled = True


class FakeLoop:
    """Time stands still until the test moves it."""

    def __init__(self) -> None:
        self.now_s = START_S
        self.soon: deque[Callable[[], object]] = deque()
        self.timers: list[Timer] = []

    def get_debug(self) -> bool:
        return False

    def create_future(self) -> asyncio.Future[object]:
        return asyncio.Future(loop=self)  # type: ignore[arg-type]

    def call_soon(self, call: Callable[..., object], *arguments: object, context: object = None) -> None:
        self.soon.append(lambda: call(*arguments))

    def call_later(self, delay_s: float, call: Callable[..., object], *arguments: object) -> Timer:
        timer = Timer(self.now_s + delay_s, lambda: call(*arguments))
        self.timers.append(timer)
        return timer

    def add_reader(self, *_: object) -> None:
        pass

    def remove_reader(self, _: object) -> None:
        pass

    def clock_ns(self) -> int:
        return round(self.now_s * 1e9)


class FakeMailbox:
    def __init__(self) -> None:
        self.letters: deque[object] = deque()
        self.full = False

    def put(self, letter: object, stream: object = None) -> bool:
        if not self.full:
            self.letters.append((letter, stream))
        return not self.full

    def take(self) -> object:
        return self.letters.popleft() if self.letters else None


class FakeLane:
    def __init__(self, threads: int) -> None:
        self.threads, self.jobs, self.pace_s, self.usual_s, self.latest_start_s = threads, 0, 0.0, 0.0, 0.0
        self.on_change: Callable[[], None] | None = None
        self.sent_away = 0

    def change(self, by: int) -> None:
        self.jobs += by
        if self.on_change:
            self.on_change()

    def send_away(self) -> None:
        self.sent_away += 1


class Request:
    """A request on its way through :meth:`Dispatch.turn`, as a task would drive it."""

    def __init__(self, worker: Worker, waiter: Waiter | None = None) -> None:
        self.worker = worker
        self.waiter = waiter or worker.dispatch.enter(worker.house.loop.now_s)
        self.fate: object = "waits"
        self._turn = worker.dispatch.turn(self.waiter)
        self._advance(lambda: self._turn.send(None))

    def _advance(self, step: Callable[[], object]) -> None:
        try:
            step()
        except StopIteration as done:
            self.fate = "here" if done.value is None else done.value
            if done.value is None:
                self.worker.lane.change(+1)
        except TooManyRequests as refused:
            self.fate = refused
        except asyncio.CancelledError:
            self.fate = "gone"

    def wake(self) -> None:
        if self.fate == "waits" and self.waiter.coming is not None and self.waiter.coming.done():
            self._advance(lambda: self._turn.send(None))

    def leave(self) -> None:
        assert self.waiter.coming is not None
        self.waiter.coming.cancel()
        self._advance(lambda: self._turn.throw(asyncio.CancelledError()))

    def leave_late(self) -> None:
        """The same, when its turn has come but it has not noticed."""
        assert self.waiter.coming is not None and self.waiter.coming.done()
        self._advance(lambda: self._turn.throw(asyncio.CancelledError()))


class Worker:
    def __init__(self, house: House, seat: int, **options: object) -> None:
        self.house, self.seat = house, seat
        self.lane = FakeLane(house.threads)
        self.epoch = house.region.occupy(seat, generation=1)
        house.region.states[seat] = SeatState.LIVE
        house.region.beats[seat] = house.loop.clock_ns()
        self.dispatch = Dispatch(
            loop=house.loop,  # type: ignore[arg-type]
            region=house.region,
            seat=seat,
            mailboxes=house.mailboxes,  # type: ignore[arg-type]
            lane=self.lane,  # type: ignore[arg-type]
            adopt=lambda _: None,
            clock_ns=house.loop.clock_ns,
            **{"timeout_s": 300.0, "wait_limit_s": None, "hasty": True, "branches": False, **options},  # type: ignore[arg-type]
        )
        self.dispatch.start()
        self.stopped = False

    def stop(self) -> None:
        """As by SIGSTOP: it reads no mail, its timer does not fire."""
        self.stopped = True
        if self.dispatch._timer is not None:
            self.dispatch._timer.cancel()

    def go_on(self) -> None:
        self.stopped = False
        self.dispatch._timer = None
        self.dispatch._arm()
        self.house.settle()

    def ask(self) -> Request:
        """A request comes, and runs at once if it may."""
        if self.dispatch.at_once():
            self.lane.change(+1)
            request = Request.__new__(Request)
            request.worker, request.fate = self, "at once"
            return request
        request = Request(self)
        self.house.requests.append(request)
        return request

    def finish(self) -> None:
        """A job comes back."""
        self.lane.change(-1)
        self.house.settle()


class House:
    """Some workers of one generation."""

    def __init__(self, workers: int, threads: int = 1, **options: object) -> None:
        self.loop, self.threads = FakeLoop(), threads
        self.region = Region(capacity=50, seats=workers)
        self.mailboxes = {seat: FakeMailbox() for seat in range(workers)}
        self.requests: list[Request] = []
        self.workers = [Worker(self, seat, **options) for seat in range(workers)]

    def settle(self) -> None:
        """Until nothing is left to do: callbacks, mail, tasks whose turn has come."""
        busy = True
        while busy:
            busy = bool(self.loop.soon)
            while self.loop.soon:
                self.loop.soon.popleft()()
            for worker in self.workers:
                if self.mailboxes[worker.seat].letters and not worker.stopped:
                    worker.dispatch._on_mail()
                    busy = True
            for request in self.requests:
                request.wake()

    def pass_time(self, seconds: float) -> None:
        """Fire the timers on the way."""
        end_s = self.loop.now_s + seconds
        while True:
            due = [timer for timer in self.loop.timers if not timer.cancelled and timer.due_s <= end_s]
            if not due:
                break
            timer = min(due, key=lambda timer: timer.due_s)
            self.loop.timers.remove(timer)
            self.loop.now_s = max(self.loop.now_s, timer.due_s)
            timer.call()
            self.settle()
        self.loop.now_s = end_s

    def waiting(self) -> list[Entry]:
        return self.region.line(0).entries()


def away_at(request: Request) -> int:
    assert not isinstance(request.fate, str), request.fate
    return int(request.fate.seat)  # type: ignore[attr-defined]


def take_up(house: House, request: Request) -> bool:
    """The request is handed over: what the other worker says to it."""
    away = request.fate
    target = house.workers[away.seat]  # type: ignore[attr-defined]
    taken = target.dispatch.take_up(away.origin, away.number, away.granted_s)  # type: ignore[attr-defined]
    if taken:
        target.lane.change(+1)
    house.settle()
    return taken


def test_where_there_is_a_slot_it_runs_at_once() -> None:
    house = House(2)
    assert house.workers[0].ask().fate == "at once"
    assert list(house.region.busy) == [1, 0] and not house.mailboxes[1].letters


def test_where_there_is_none_another_worker_gets_it() -> None:
    house = House(3)
    house.workers[0].ask()
    request = house.workers[0].ask()
    house.settle()
    assert away_at(request) == 1 and house.waiting() == []
    assert take_up(house, request)
    assert list(house.region.busy) == [1, 1, 0]
    second = house.workers[0].ask()
    house.settle()
    assert away_at(second) == 2


@pytest.mark.parametrize("somebody", ["runs", "waits"])
def test_who_cannot_take_it_sends_it_back_into_the_line(somebody: str) -> None:
    house = House(2)
    house.workers[0].ask()
    request = house.workers[0].ask()
    if somebody == "runs":
        house.workers[1].ask()
    else:
        house.region.line(1).push(1)
    assert not take_up(house, request)
    later = house.workers[0].ask()
    again = Request(house.workers[0], request.waiter)
    house.requests.append(again)
    assert again.fate == "waits" and house.waiting()[0] == request.waiter.entry, "before all that came later"
    assert later.fate == "waits"


def test_the_worker_with_the_most_free_slots_is_asked() -> None:
    house = House(3, threads=4)
    house.workers[1].lane.change(+2)
    for _ in range(4):
        house.workers[0].ask()
    requests = [house.workers[0].ask() for _ in range(4)]
    house.settle()
    assert sorted(away_at(request) for request in requests) == [1, 2, 2, 2]


def test_who_is_asked_and_has_just_lost_its_last_slot_asks_the_next() -> None:
    house = House(3)
    for worker in house.workers:
        worker.ask()
    house.workers[2].lane.jobs = 0
    house.region.busy[1] = house.region.busy[2] = 0  # what the first worker sees of the others, one of them too late
    waiter = house.workers[0].dispatch.enter(START_S)
    waiter.entry = house.region.line(0).reserve(0)
    request = Request(house.workers[0], waiter)
    house.requests.append(request)
    assert house.mailboxes[1].letters and not house.mailboxes[2].letters
    house.settle()
    assert away_at(request) == 2


def test_where_no_slot_is_free_they_wait_in_one_line() -> None:
    house = House(2)
    for worker in house.workers:
        worker.ask()
    requests = [house.workers[number % 2].ask() for number in range(4)]
    house.settle()
    assert [request.fate for request in requests] == ["waits"] * 4
    house.workers[1].finish()
    assert away_at(requests[0]) == 1 and take_up(house, requests[0])
    house.workers[1].finish()
    assert requests[1].fate == "here"
    house.workers[0].finish()
    assert requests[2].fate == "here"
    house.workers[0].finish()
    assert away_at(requests[3]) == 0
    assert house.waiting() == []


def test_nobody_is_overtaken_by_who_comes_when_a_slot_is_free() -> None:
    """A slot got free, and has not been given away yet: who comes now has to line up."""
    house = House(2)
    for worker in house.workers:
        worker.ask()
    first = house.workers[0].ask()
    house.workers[1].lane.change(-1)
    second = house.workers[1].ask()
    assert second.fate == "waits"
    house.settle()
    assert away_at(first) == 1 and second.fate == "waits"


@pytest.mark.parametrize("turns", [1, 2])
def test_what_follows_of_a_request_is_ahead_of_new_ones(turns: int) -> None:
    house = House(1, branches=turns == 2)
    lane, soon = house.workers[0].lane, house.loop.call_soon
    house.workers[0].ask()
    waits = house.workers[0].ask()
    # The lane first wakes the task whose job has come back; so many turns of the loop later its next job is submitted.
    soon(lane.change, +1) if turns == 1 else soon(soon, lane.change, +1)
    lane.change(-1)
    house.settle()
    assert waits.fate == "waits" and lane.jobs == 1


def test_a_client_that_leaves_the_line() -> None:
    house = House(2)
    for worker in house.workers:
        worker.ask()
    first, second = house.workers[0].ask(), house.workers[0].ask()
    first.leave()
    assert len(house.waiting()) == 1
    house.workers[1].finish()
    assert first.fate == "gone" and away_at(second) == 1


@pytest.mark.parametrize("worker", [0, 1])
def test_a_client_that_leaves_when_its_turn_has_come(worker: int) -> None:
    house = House(2)
    for one in house.workers:
        one.ask()
    first, second = house.workers[0].ask(), house.workers[0].ask()
    house.requests.remove(first)  # it is not woken
    house.workers[worker].finish()
    first.leave_late()
    house.settle()
    assert first.fate == "gone"
    assert second.fate == "here" if worker == 0 else away_at(second) == 1


def test_a_grant_for_who_does_not_wait_any_more_is_declined() -> None:
    house = House(2)
    for worker in house.workers:
        worker.ask()
    first = house.workers[0].ask()
    house.workers[0].stopped = True
    house.workers[1].finish()
    first.leave()
    house.workers[0].stopped = False
    house.settle()
    assert list(house.region.busy) == [1, 0]


def test_a_slot_kept_for_a_worker_that_does_not_move_is_taken_back() -> None:
    house = House(2)
    for worker in house.workers:
        worker.ask()
    first = house.workers[0].ask()
    second = house.workers[1].ask()
    house.workers[0].stop()
    house.workers[1].finish()
    assert second.fate == "waits" and list(house.region.busy) == [1, 1]
    house.pass_time(GRANT_NS / 1e9 + 2 * LOOK_AGAIN_S)
    assert second.fate == "here"
    house.workers[0].go_on()  # and finds its grant
    assert away_at(first) == 1 and not take_up(house, first)
    again = Request(house.workers[0], first.waiter)  # put back, ahead of all that came later
    house.requests.append(again)
    later = house.workers[0].ask()
    house.workers[1].finish()
    assert away_at(again) == 1 and later.fate == "waits" and take_up(house, again)


def test_a_grant_is_not_taken_up_after_its_time_even_if_nobody_has_looked() -> None:
    house = House(2)
    house.workers[0].ask()
    request = house.workers[0].ask()
    house.settle()
    house.loop.now_s += 2.0  # the other worker was stopped
    assert not take_up(house, request)
    assert list(house.region.busy) == [1, 0]


def test_a_dead_workers_requests_and_grants_are_gone() -> None:
    house = House(3)
    for worker in house.workers:
        worker.ask()
    house.workers[0].ask()
    lost = house.workers[0].ask()
    other = house.workers[1].ask()
    house.workers[0].stopped = True
    house.workers[2].finish()  # promised to a request of worker 0
    house.region.vacate(0)
    assert house.waiting() == [other.waiter.entry]
    house.pass_time(2 * LOOK_AGAIN_S)
    assert away_at(other) == 2 and lost.fate == "waits"


def test_a_request_that_somebody_took_out_before_it_died_is_put_back() -> None:
    house = House(2)
    for worker in house.workers:
        worker.ask()
    first, second = house.workers[0].ask(), house.workers[0].ask()
    assert house.region.line(0).pop(lambda _: True) == first.waiter.entry
    house.pass_time((LOOKS_IN_VAIN + 1) * LOOK_AGAIN_S)
    assert house.waiting() == [first.waiter.entry, second.waiter.entry]


def test_a_full_mailbox_costs_nobody_his_place() -> None:
    house = House(3)
    for worker in house.workers:
        worker.ask()
    first, second = house.workers[0].ask(), house.workers[1].ask()
    house.mailboxes[0].full = True
    house.workers[2].finish()
    assert first.fate == "waits" and away_at(second) == 2
    house.mailboxes[0].full = False
    house.workers[0].finish()
    assert first.fate == "here"


def test_a_worker_without_a_descriptor_left_opens_no_stream(monkeypatch: pytest.MonkeyPatch) -> None:
    def none_left() -> None:
        raise OSError(errno.EMFILE, "too many open files")

    house = House(2)
    monkeypatch.setattr("pfserve.worker.dispatch.stream_pair", none_left)
    assert house.workers[0].dispatch.open_stream(1, house.workers[1].epoch) is None
    assert not house.mailboxes[1].letters


def test_a_slot_whose_stream_cannot_be_opened_is_given_back_at_once() -> None:
    house = House(2)
    for worker in house.workers:
        worker.ask()
    first = house.workers[0].ask()
    house.workers[1].finish()
    assert away_at(first) == 1 and list(house.region.busy) == [1, 1]
    house.region.states[1] = SeatState.DRAINING  # so that it is not granted to the same one again
    house.requests.append(Request(house.workers[0], first.waiter))
    house.settle()
    assert list(house.region.busy) == [1, 0], "before the promise is forgotten"


def test_a_request_that_is_granted_a_second_slot_keeps_one() -> None:
    """What it was granted first came to nothing, and word of that is lost."""
    house = House(2, threads=2)
    for worker in house.workers * 2:
        worker.ask()
    first = house.workers[0].ask()
    house.workers[1].finish()
    assert away_at(first) == 1
    house.mailboxes[1].full = True
    again = Request(house.workers[0], first.waiter)
    house.requests.append(again)
    house.mailboxes[1].full = False
    house.workers[1].finish()
    assert away_at(again) == 1 and take_up(house, again)
    assert house.region.busy[1] == 1


def test_a_late_word_about_an_earlier_grant_costs_the_next_one_nothing() -> None:
    house = House(2, threads=2)
    for worker in house.workers * 2:
        worker.ask()
    first = house.workers[0].ask()
    house.workers[1].finish()
    house.loop.now_s += 0.01
    house.workers[1].stopped = True  # it reads its letters late
    again = Request(house.workers[0], first.waiter)
    house.requests.append(again)
    house.workers[1].finish()
    house.workers[1].stopped = False
    house.settle()
    assert away_at(again) == 1 and take_up(house, again)
    assert house.region.busy[1] == 1


def test_a_lost_word_is_made_good_by_the_timer() -> None:
    house = House(2)
    for worker in house.workers:
        worker.ask()
    request = house.workers[0].ask()
    house.workers[1].lane.jobs = house.region.busy[1] = 0  # it looked at the line before the request was in it
    house.settle()
    assert request.fate == "waits"
    house.pass_time(2 * LOOK_AGAIN_S)
    assert away_at(request) == 1


@pytest.mark.parametrize(
    ("own", "waiting_at", "taken"),
    [
        (SeatState.LIVE, SeatState.LIVE, True),
        (SeatState.LIVE, SeatState.DRAINING, True),  # it can still be helped
        (SeatState.DRAINING, SeatState.LIVE, False),  # it only finishes what it has
        (SeatState.DRAINING, SeatState.DRAINING, True),  # the instance goes down: all help each other
    ],
)
def test_draining(own: SeatState, waiting_at: SeatState, taken: bool) -> None:
    house = House(2)
    for worker in house.workers:
        worker.ask()
    request = house.workers[0].ask()
    house.region.states[1], house.region.states[0] = own, waiting_at
    house.workers[1].finish()
    assert (request.fate != "waits") is taken


def test_a_draining_worker_still_runs_its_own() -> None:
    house = House(1)
    house.workers[0].ask()
    request = house.workers[0].ask()
    house.region.states[0] = SeatState.DRAINING
    house.workers[0].finish()
    assert request.fate == "here"


def test_no_draining_no_stale_and_no_exhausted_worker_is_asked() -> None:
    house = House(4)
    house.workers[0].ask()
    house.region.states[1] = SeatState.DRAINING
    house.region.beats[2] = 0
    house.region.exhausted[3] = 1
    request = house.workers[0].ask()
    assert request.fate == "waits"
    assert not any(house.mailboxes[seat].letters for seat in (1, 2, 3))


def test_a_limit_on_the_wait() -> None:
    house = House(1, wait_limit_s=0.3)
    house.workers[0].ask()
    request = house.workers[0].ask()
    house.pass_time(0.2)
    assert request.fate == "waits"
    house.pass_time(0.2)
    assert isinstance(request.fate, TooManyRequests) and "0.3 s" in request.fate.message
    assert house.waiting() == []


def test_a_limit_that_its_turn_forestalls() -> None:
    house = House(1, wait_limit_s=0.3)
    house.workers[0].ask()
    request = house.workers[0].ask()
    house.pass_time(0.2)
    house.workers[0].finish()
    house.pass_time(0.2)
    assert request.fate == "here"


def test_a_deadline_that_cannot_be_met() -> None:
    house = House(2, timeout_s=1.0)
    for worker in house.workers:
        worker.lane.pace_s = 0.6
        worker.ask()
    fates = [house.workers[0].ask().fate for _ in range(5)]
    assert fates[:3] == ["waits"] * 3, "0.3, 0.6 and 0.9 s"
    assert all(isinstance(fate, TooManyRequests) for fate in fates[3:])
    assert "1.2 s" in str(fates[3]) and fates[3].headers["retry-after-ms"] == "1200"  # type: ignore[attr-defined]
    assert len(house.waiting()) == 3


def test_a_quick_lane_keeps_its_own() -> None:
    house = House(2)
    lane = house.workers[0].lane
    lane.usual_s, lane.latest_start_s = QUICK_S / 2, START_S
    assert [house.workers[0].ask().fate for _ in range(5)] == ["at once"] * 5
    assert house.waiting() == [] and not house.mailboxes[1].letters


def test_a_quick_lane_that_stalls_sends_them_away() -> None:
    house = House(2)
    lane = house.workers[0].lane
    lane.usual_s, lane.latest_start_s = QUICK_S / 2, START_S
    house.workers[0].ask()
    house.workers[0].ask()
    house.pass_time(STALLED_S * 0.9)
    assert lane.sent_away == 0
    lane.latest_start_s = house.loop.now_s  # it goes on
    house.pass_time(STALLED_S * 0.9)
    assert lane.sent_away == 0
    house.pass_time(2 * STALLED_S)
    assert lane.sent_away == 1
    assert away_at(house.workers[0].ask()) == 1


def test_a_lane_that_has_got_quick_takes_its_own_out_of_the_line() -> None:
    house = House(2)
    for worker in house.workers:
        worker.ask()
    other, *own = house.workers[1].ask(), house.workers[0].ask(), house.workers[0].ask()
    lane = house.workers[0].lane
    lane.usual_s, lane.latest_start_s = QUICK_S / 2, START_S
    lane.change(0)
    house.settle()
    assert [request.fate for request in own] == ["here", "here"]
    assert away_at(other) == 0, "and it helps the others"


def test_a_plan_whose_first_job_cannot_be_taken_back_is_never_quick() -> None:
    house = House(2, hasty=False)
    lane = house.workers[0].lane
    lane.usual_s, lane.latest_start_s = QUICK_S / 2, START_S
    house.workers[0].ask()
    assert away_at(house.workers[0].ask()) == 1
