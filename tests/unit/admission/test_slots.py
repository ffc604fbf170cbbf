from __future__ import annotations

import pytest

from pfserve.admission.slots import QUICK_S, STALLED_S, expected_wait_s, freest, is_quick


@pytest.mark.parametrize(
    ("pace_s", "idle_s", "quick"),
    [
        (QUICK_S / 2, 0.0, True),
        (QUICK_S, 0.0, False),
        (0.1, 0.0, False),
        (0.0, 0.0, False),  # nothing has been seen yet
        (QUICK_S / 2, STALLED_S, False),  # held up, whatever it was
    ],
)
def test_a_quick_lane(pace_s: float, idle_s: float, quick: bool) -> None:
    assert is_quick(pace_s, idle_s) is quick


@pytest.mark.parametrize(
    ("busy", "asked", "seat"),
    [
        ([0, 0, 0], {}, 0),
        ([2, 1, 0], {}, 2),
        ([1, 1, 1], {}, 0),
        ([2, 2, 2], {}, None),
        ([2, 3, 2], {}, None),  # later chains queue on a busy lane
        ([0, 0, 0], {0: 1}, 1),
        ([0, 1, 2], {0: 2}, 1),
        ([0, 1, 2], {0: 2, 1: 1}, None),
    ],
)
def test_the_freest_seat(busy: list[int], asked: dict[int, int], seat: int | None) -> None:
    assert freest(range(3), 2, busy, asked) == seat


def test_only_seats_that_may_be_asked() -> None:
    assert freest([], 2, [0, 0], {}) is None
    assert freest([1], 2, [0, 1], {}) == 1


def test_the_expected_wait() -> None:
    """All slots taken: the next gets free after a share of what a slot is taken for."""
    assert expected_wait_s(0, 0.1, 8) == pytest.approx(0.0125)
    assert expected_wait_s(7, 0.1, 8) == pytest.approx(0.1)
    assert expected_wait_s(100, 0.0, 8) == 0.0, "nothing is known: nobody is refused"
