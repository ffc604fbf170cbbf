from __future__ import annotations

import pytest

from bench.trial.stretches import Stretch, stretches
from bench.trial.summary import Second


def second(offered: int, p50_s: float | None, p99_s: float | None) -> Second:
    return Second(offered, offered // 2, offered // 4, p50_s, p99_s)


def test_few_seconds_stay_as_they_are():
    seconds = [second(8, 0.1, 0.2), second(0, None, None)]
    assert stretches(seconds, 2) == [Stretch(0, 8, 4, 2, 0.1, 0.2), Stretch(1, 0, 0, 0, None, None)]
    assert stretches([], 2) == []


def test_of_many_the_mean_is_told_and_the_worst():
    seconds = [second(4, 0.1, 0.9), second(8, None, None), second(12, 0.3, 0.4), second(16, 0.2, 0.2)]
    assert stretches(seconds, 1) == [Stretch(0, 10, 5, 2.5, pytest.approx(0.2), 0.9)]


@pytest.mark.parametrize("count", [1, 59, 60, 61, 119, 120, 121, 3600])
def test_there_are_never_more_than_asked_for_and_none_is_lost(count):
    found = stretches([second(4, 0.1, 0.1)] * count, 60)
    assert len(found) <= 60
    assert sum(each.offered for each in found) == 4 * len(found)
    assert found[-1].at_s < count
