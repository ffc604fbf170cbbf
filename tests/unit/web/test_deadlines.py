"""Coarse deadlines, with a clock and a timer of our own."""

from __future__ import annotations

from collections.abc import Callable

from pfserve.web.deadlines import Deadlines


class Clock:
    """Time that passes by ``pass_s`` only, firing timers on the way."""

    def __init__(self) -> None:
        self.now_s = 100.0
        self.timers: list[Timer] = []
        self.timers_made = 0

    def __call__(self) -> float:
        return self.now_s

    def call_later(self, delay_s: float, callback: Callable[[], None]) -> Timer:
        self.timers_made += 1
        self.timers.append(timer := Timer(self, self.now_s + delay_s, callback))
        return timer

    def pass_s(self, seconds: float) -> None:
        end_s = self.now_s + seconds
        while due := sorted((timer for timer in self.timers if timer.at_s <= end_s), key=lambda timer: timer.at_s):
            self.timers.remove(due[0])
            self.now_s = due[0].at_s
            due[0].callback()
        self.now_s = end_s


class Timer:
    def __init__(self, clock: Clock, at_s: float, callback: Callable[[], None]) -> None:
        self.clock = clock
        self.at_s = at_s
        self.callback = callback

    def cancel(self) -> None:
        self.clock.timers.remove(self)


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
    clock.pass_s(0.99)
    assert log == []
    clock.pass_s(0.11)
    assert log == ["b@1.6", "c@1.6"]
    clock.pass_s(10)
    assert log == ["b@1.6", "c@1.6", "a@5.0"]


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


def test_one_timer_serves_a_thousand_items_that_are_gone_before_their_time() -> None:
    clock, log = Clock(), list[str]()
    row = Deadlines(clock, clock.call_later, resolution_s=0.1).row(60.0)
    for _ in range(1000):
        item = Item("x", log)
        row.add(item, clock())
        row.discard(item)
        clock.pass_s(0.05)
    assert clock.timers_made == 1
    clock.pass_s(120)
    assert (clock.timers_made, clock.timers, log) == (1, [], [])


def test_many_deadlines_close_together_take_one_turn_a_resolution() -> None:
    clock, log = Clock(), list[str]()
    row = Deadlines(clock, clock.call_later, resolution_s=0.1).row(1.0)
    for _ in range(1000):
        row.add(Item("x", log), clock())
        clock.pass_s(0.001)
    clock.pass_s(2)
    assert len(log) == 1000
    assert clock.timers_made <= 12
    assert clock.timers == []


def test_a_shorter_wait_is_not_kept_waiting_by_the_timer_of_a_longer_one() -> None:
    clock, log = Clock(), list[str]()
    deadlines = Deadlines(clock, clock.call_later, resolution_s=0.1)
    deadlines.row(100.0).add(Item("long", log), clock())
    deadlines.row(1.0).add(Item("short", log), clock())
    clock.pass_s(1.2)
    assert log == ["short@1.0"]
    clock.pass_s(100)
    assert log == ["short@1.0", "long@100.0"]


def test_waits_shorter_than_the_resolution_do_not_put_each_other_off() -> None:
    clock, log = Clock(), list[str]()
    row = Deadlines(clock, clock.call_later, resolution_s=0.1).row(0.02)
    for _ in range(30):
        row.add(Item("x", log), clock())
        clock.pass_s(0.01)
    assert len(log) >= 18


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
