"""Coarse deadlines, with a clock and a timer of our own."""

from __future__ import annotations

from collections.abc import Callable

from pfserve.web.deadlines import Deadlines


class Clock:
    """Time that passes by ``pass_s`` only, firing timers on the way."""

    def __init__(self) -> None:
        self.now_s = 100.0
        self.timers: list[tuple[float, Callable[[], None]]] = []
        self.timers_made = 0

    def __call__(self) -> float:
        return self.now_s

    def call_later(self, delay_s: float, callback: Callable[[], None]) -> None:
        self.timers_made += 1
        self.timers.append((self.now_s + delay_s, callback))

    def pass_s(self, seconds: float) -> None:
        end_s = self.now_s + seconds
        while due := sorted((t for t in self.timers if t[0] <= end_s), key=lambda t: t[0]):
            self.timers.remove(due[0])
            self.now_s = due[0][0]
            due[0][1]()
        self.now_s = end_s


class Item:
    def __init__(self, name: str, log: list[str]) -> None:
        self.name = name
        self.log = log

    def expire(self, now_s: float) -> None:
        self.log.append(f"{self.name}@{now_s - 100:.1f}")


def test_items_expire_in_order_and_never_early() -> None:
    clock, log = Clock(), list[str]()
    deadlines = Deadlines(clock, clock.call_later, resolution_s=0.1)
    long, short = deadlines.row(5.0), deadlines.row(1.0)
    long.add(Item("a", log), clock())
    clock.pass_s(0.55)
    short.add(Item("b", log), clock())
    short.add(Item("c", log), clock())
    clock.pass_s(1.0)
    assert log == []
    clock.pass_s(0.1)
    assert log == ["b@1.6", "c@1.6"]
    clock.pass_s(10)
    assert log == ["b@1.6", "c@1.6", "a@5.1"] or log == ["b@1.6", "c@1.6", "a@5.0"]


def test_a_discarded_item_never_expires() -> None:
    clock, log = Clock(), list[str]()
    row = Deadlines(clock, clock.call_later).row(1.0)
    kept, gone = Item("kept", log), Item("gone", log)
    row.add(gone, clock())
    row.add(kept, clock())
    row.discard(gone)
    row.discard(gone)
    clock.pass_s(2)
    assert [line[:4] for line in log] == ["kept"]
    assert len(row) == 0


def test_rows_of_one_delay_are_one() -> None:
    clock = Clock()
    deadlines = Deadlines(clock, clock.call_later)
    assert deadlines.row(1.0) is deadlines.row(1.0)
    assert deadlines.row(1.0) is not deadlines.row(2.0)


def test_the_timer_runs_only_while_something_waits() -> None:
    clock, log = Clock(), list[str]()
    row = Deadlines(clock, clock.call_later, resolution_s=0.1).row(1.0)
    for _ in range(1000):
        item = Item("x", log)
        row.add(item, clock())
        row.discard(item)
    assert clock.timers_made == 1
    clock.pass_s(10)
    assert clock.timers_made == 1
    row.add(Item("y", log), clock())
    clock.pass_s(10)
    assert len(log) == 1
    assert clock.timers == []


def test_an_item_may_wait_again_from_within_its_expiry() -> None:
    clock, times = Clock(), list[float]()
    row = Deadlines(clock, clock.call_later, resolution_s=0.1).row(1.0)

    class Again:
        def expire(self, now_s: float) -> None:
            times.append(now_s)
            if len(times) < 3:
                row.add(self, now_s)

    row.add(Again(), clock())
    clock.pass_s(20)
    assert len(times) == 3
    assert clock.timers == []
