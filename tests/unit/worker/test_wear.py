from __future__ import annotations

import pytest

from pfserve.worker.wear import JITTER, Wear


def wear(requests: int, megabytes: int, *, answered: int = 0, size: int = 0, at: float = 0.5) -> Wear:
    def draw(low: float, high: float) -> float:
        return low + at * (high - low)

    return Wear(requests, megabytes * 1_000_000, lambda: answered, lambda: size * 1_000_000, draw)


@pytest.mark.parametrize(
    ("subject", "reason"),
    [
        (wear(0, 0, answered=10**9, size=10**6), ""),
        (wear(100, 0, answered=99), ""),
        (wear(100, 0, answered=100), "has answered 100 requests"),
        (wear(100, 0, answered=86, at=0.0), "has answered 86 requests"),
        (wear(100, 0, answered=114, at=1.0), ""),
        (wear(1, 0, answered=0, at=0.0), ""),
        (wear(0, 50, size=50), ""),
        (wear(0, 50, size=51), "has grown to 51 MB"),
    ],
)
def test_when_a_worker_has_worn_out(subject: Wear, reason: str) -> None:
    assert subject.reason() == reason


def test_workers_draw_different_limits() -> None:
    worn = {Wear(10_000, 0, lambda: 10_000, lambda: 0).reason() != "" for _ in range(64)}
    assert worn == {True, False}  # at the mean some have worn out and some have not
    assert Wear(10_000, 0, lambda: round(10_000 * (1 + JITTER)), lambda: 0).reason()
    assert not Wear(10_000, 0, lambda: round(10_000 * (1 - JITTER)) - 1, lambda: 0).reason()
