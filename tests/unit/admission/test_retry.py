from __future__ import annotations

import pytest

from pfserve.admission.retry import extrapolated_s, next_end_s, retry_after_s

# inside, capacity, served, over_s -> seconds
TABLE = {
    "full, ten a second": (8, 8, 50, 5.0, 0.1),
    "full, one in two seconds": (8, 8, 3, 6.0, 2.0),
    "one too many leaves first": (9, 8, 50, 5.0, 0.2),
    "a place is free already": (7, 8, 50, 5.0, 0.05),
    "nothing was served: the window's length": (8, 8, 0, 5.0, 5.0),
    "just started": (1, 1, 0, 0.0, 0.05),
    "faster than makes sense": (64, 64, 100_000, 5.0, 0.05),
    "slower than makes sense": (200, 64, 1, 5.0, 60.0),
}


@pytest.mark.parametrize("name", TABLE)
def test_when_to_come_back(name: str) -> None:
    *situation, expected = TABLE[name]
    assert retry_after_s(*situation) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("ages_s", "mean_s", "expected"),
    [
        ([], 1.0, None),
        ([], None, None),
        ([0.3, 0.1], None, 0.3),  # nothing has ended yet
        ([0.75, 0.5, 0.25], 1.0, 0.25),  # evenly spread
        ([0.5, 0.5, 0.5], 1.0, 0.5),  # a burst
        ([3.0, 2.0, 0.2], 1.0, 0.5),  # two that take longer than usual, each as long again
        ([3.0, 2.0, 0.9], 1.0, 0.1),
        ([3.0], 1.0, 1.0),
    ],
)
def test_when_the_next_one_should_end(ages_s: list[float], mean_s: float | None, expected: float | None) -> None:
    assert next_end_s(ages_s, mean_s) == (None if expected is None else pytest.approx(expected))


@pytest.mark.parametrize(
    ("told_s", "running", "mean_s", "expected"),
    [
        (0.3, 4, None, 0.3),
        (-0.1, 4, None, None),
        (-0.1, 1, 1.0, 0.9),
        (-2.1, 1, 1.0, 0.9),  # two more have ended since
        (-0.1, 4, 1.0, 0.15),
        (-0.1, 0.2, 1.0, 0.9),  # most of those that it holds wait
    ],
)
def test_when_that_of_another_worker_should_end(
    told_s: float, running: float, mean_s: float | None, expected: float | None
) -> None:
    assert extrapolated_s(told_s, running, mean_s) == (None if expected is None else pytest.approx(expected))
