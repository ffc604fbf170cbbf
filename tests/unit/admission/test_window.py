from __future__ import annotations

from pfserve.admission.window import ServedWindow


def test_before_the_first_reading_all_counts_since_the_start() -> None:
    assert ServedWindow(10.0, 100).since(12.0, 130) == (30, 2.0)


def test_old_readings_are_forgotten() -> None:
    window = ServedWindow(0.0, 0)
    for second in range(1, 61):
        window.observe(float(second), 10 * second)
    assert window.since(60.0, 600) == (50, 5.0)
    assert window.since(60.5, 603) == (53, 5.5)


def test_a_late_reading_keeps_the_one_that_covers_the_window() -> None:
    window = ServedWindow(0.0, 0)
    window.observe(1.0, 10)
    window.observe(20.0, 40)
    assert window.since(20.0, 40) == (30, 19.0)
