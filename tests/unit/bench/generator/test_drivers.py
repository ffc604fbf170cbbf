"""Who begins requests, with a clock, a timer and a crew of the test's own."""

from __future__ import annotations

import heapq
from typing import Any

import pytest

from bench.generator import drivers
from bench.generator.drivers import BURST, Pacer, Users
from bench.generator.plan import Plan
from bench.sample import Outcome
from bench.schedule import Closed, Load, Open, Segment, Shape, Span, Think
from bench.workload import Target, Workload

S = 1_000_000_000


class World:
    """Clock, timer and crew in one; ``delay_ns`` is what each submission takes."""

    def __init__(self) -> None:
        self.now_ns = 0
        self.delay_ns = 0
        self.calls: list[tuple[int, int, Any]] = []
        self.shots: list[Any] = []

    def monotonic_ns(self) -> int:
        return self.now_ns

    def at(self, due_ns: int, call: Any) -> None:
        heapq.heappush(self.calls, (due_ns, len(self.shots) * 1000 + len(self.calls), call))

    def submit(self, shot: Any) -> None:
        self.shots.append(shot)
        self.now_ns += self.delay_ns

    def ring(self) -> None:
        """What comes next."""
        due_ns, _, call = heapq.heappop(self.calls)
        self.now_ns = max(self.now_ns, due_ns)
        call()

    def run(self) -> list[tuple[int, int, int]]:
        while self.calls:
            self.ring()
        return [(shot.number, shot.intended_ns, shot.late_ns) for shot in self.shots]


@pytest.fixture
def world(monkeypatch):
    world = World()
    monkeypatch.setattr(drivers, "time", world)
    return world


def plan(load: Load, span: Span, index: int = 0, processes: int = 1) -> Plan:
    return Plan(
        load=load,
        span=span,
        workload=Workload(Target("h", 1, "/"), ("{}",)),
        address="127.0.0.1",
        seed=1,
        processes=processes,
        connections=8,
        max_in_flight=100,
        timeout_s=1,
        index=index,
    )


TEN = Open(Shape((Segment(1, 10, 10),)))


def test_a_pacer_begins_every_request_at_its_time(world):
    pacer = Pacer(plan(TEN, Span()), world, world)
    pacer.start(5 * S)
    assert not pacer.is_over
    assert world.run() == [(number, 5 * S + number * S // 10, 0) for number in range(10)]
    assert pacer.is_over


def test_of_several_each_takes_every_nth(world):
    pacer = Pacer(plan(TEN, Span(), index=1, processes=3), world, world)
    pacer.start(0)
    assert [number for number, _, _ in world.run()] == [1, 4, 7]


def test_what_is_due_meanwhile_begins_at_once_and_its_lateness_is_known(world):
    world.delay_ns = S // 4
    Pacer(plan(TEN, Span()), world, world).start(0)
    late = [late_ns / S for _, _, late_ns in world.run()]
    assert late == pytest.approx([0, 0.15, 0.3, 0.45, 0.6, 0.75, 0.9, 1.05, 1.2, 1.35])


def test_answers_can_be_read_between_bursts(world):
    Pacer(plan(Open(Shape((Segment(1, 1000, 1000),))), Span()), world, world).start(0)
    world.now_ns = S
    world.ring()
    assert len(world.shots) == BURST
    assert world.calls


def test_a_stopped_pacer_begins_nothing_more(world):
    pacer = Pacer(plan(TEN, Span()), world, world)
    pacer.start(0)
    world.ring()
    pacer.stop()
    world.run()
    assert len(world.shots) == 1
    assert pacer.is_over


def users(world: World, load: Closed, span: Span, **kwargs: int) -> Users:
    started = Users(plan(load, span, **kwargs), world, world)
    started.start(0)
    return started


def answer(world: World, shot: Any, outcome: Outcome = Outcome.SUCCESS, after_ns: int = S // 10) -> None:
    world.now_ns += after_ns
    shot.ended(outcome)


def test_a_user_asks_thinks_and_asks_again(world):
    users(world, Closed(1, Think(0.5)), Span(measured_s=10))
    world.ring()
    answer(world, world.shots[0])
    assert len(world.shots) == 1
    world.ring()
    assert [shot.intended_ns for shot in world.shots] == [0, 6 * S // 10]


def test_a_user_who_does_not_think_asks_at_once(world):
    users(world, Closed(1), Span(measured_s=10))
    world.ring()
    answer(world, world.shots[0])
    assert [shot.intended_ns for shot in world.shots] == [0, S // 10]
    assert not world.calls


@pytest.mark.parametrize("outcome", [Outcome.CONNECTION, Outcome.DROPPED])
def test_a_user_without_a_connection_does_not_hammer(world, outcome):
    users(world, Closed(1), Span(measured_s=10))
    world.ring()
    answer(world, world.shots[0], outcome, after_ns=0)
    assert len(world.shots) == 1
    world.ring()
    assert world.shots[1].intended_ns == int(drivers.BACK_OFF_S * S)


def test_users_come_in_over_the_spread_and_are_divided(world):
    users(world, Closed(4, spread_s=2), Span(measured_s=10), index=1, processes=2)
    world.run()
    assert [(shot.number, shot.intended_ns) for shot in world.shots] == [(1, S // 2), (3, 3 * S // 2)]


def test_the_time_ends_it(world):
    crowd = users(world, Closed(1), Span(warm_up_s=0.1, measured_s=0.2))
    world.ring()
    for number in range(3):
        answer(world, world.shots[number])
    assert [shot.intended_ns for shot in world.shots] == [0, S // 10, 2 * S // 10]
    assert crowd.is_over


def test_the_count_is_of_measured_requests_and_is_divided(world):
    crowd = users(world, Closed(2), Span(warm_up_s=0.15, count=3), index=0, processes=2)
    world.ring()
    while not crowd.is_over:
        answer(world, world.shots[-1])
    assert [shot.intended_ns for shot in world.shots] == [0, S // 10, 2 * S // 10, 3 * S // 10]  # two of them warm-up


def test_stopped_users_ask_nothing_more(world):
    crowd = users(world, Closed(1), Span(measured_s=10))
    world.ring()
    crowd.stop()
    answer(world, world.shots[0])
    assert len(world.shots) == 1
    assert crowd.is_over
