from __future__ import annotations

import os

import pytest

from bench import backtest
from bench.capacity.backtest import Seen


def test_of_several_trials_at_a_rate_the_middle_figures_count():
    stalled = Seen(10.0, 0.9, 0.0)
    assert backtest.middle([Seen(10.0, 0.2, 0.02), stalled, Seen(10.0, 0.1, 0.01)]) == Seen(10.0, 0.2, 0.01)


def test_cores_are_given_back_whatever_happens():
    before = os.sched_getaffinity(0)
    with pytest.raises(ZeroDivisionError), backtest.on([min(before)]):
        assert os.sched_getaffinity(0) == {min(before)}
        _ = 1 / 0
    assert os.sched_getaffinity(0) == before


def test_where_no_cores_are_given_all_are_used():
    before = os.sched_getaffinity(0)
    with backtest.on([]):
        assert os.sched_getaffinity(0) == before
