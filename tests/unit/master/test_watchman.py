from __future__ import annotations

from pfserve.master.watchman import Pauses


def test_a_monitor_that_keeps_dying_comes_back_ever_later_and_never_not_at_all() -> None:
    pauses = Pauses()
    assert [pauses.after_death(1.0) for _ in range(4)] == [0.0, 0.1, 0.2, 0.4]
    assert [pauses.after_death(1.0) for _ in range(1000)][-1] == 5.0


def test_one_that_lived_long_comes_back_at_once() -> None:
    pauses = Pauses()
    for _ in range(5):
        pauses.after_death(1.0)
    assert pauses.after_death(10.0) == 0.0
    assert [pauses.after_death(1.0), pauses.after_death(1.0)] == [0.0, 0.1]
