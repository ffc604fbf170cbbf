from __future__ import annotations

import pytest

from pfserve.admission.retry import retry_after_s

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
