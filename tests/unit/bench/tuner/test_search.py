from __future__ import annotations

import pytest

from bench.tuner.goal import Goal, Limit, Seen
from bench.tuner.interval import interval
from bench.tuner.search import MOST_LOADS, PRECISION, Load, goodput, next_rate

GOAL = Goal((Limit("95", 2.0), Limit("50", 0.5)), 0.01)


def search(limit_per_s: float, first_per_s: float) -> tuple[float, int]:
    loads: list[Load] = []
    while rate := next_rate(loads, first_per_s, 0.1):
        loads.append(Load(rate, rate <= limit_per_s))
    return goodput(loads), len(loads)


@pytest.mark.parametrize("limit", [0.3, 7, 100, 101, 3000])
@pytest.mark.parametrize("first", [0.2, 10, 99, 5000])
def test_the_highest_rate_is_found_from_anywhere(limit, first):
    found, loads = search(limit, first)
    assert loads <= MOST_LOADS
    assert limit / PRECISION**1.5 <= found <= limit * PRECISION or loads == MOST_LOADS


def test_a_good_first_guess_costs_few_loads():
    assert search(100, 95)[1] <= 6


def test_what_no_rate_reaches_ends_with_nothing():
    found, loads = search(0, 50)
    assert found == 0
    assert loads < MOST_LOADS


def seen(**changes) -> Seen:
    whole = {"rate_per_s": 10.0, "offered": 100, "answered_per_s": 10.0, "lasted_s": 10.0, "refused": 0, "failed": 0}
    return Seen(**(whole | {"percentiles_s": {"50": 0.1, "95": 1.0}} | changes))


@pytest.mark.parametrize(
    ("changes", "missed"),
    [
        ({}, []),
        ({"percentiles_s": {"50": 0.1, "95": 2.1}}, ["p95 was 2.1 s, at most 2 s is asked"]),
        ({"percentiles_s": {}}, ["no request succeeded"]),
        ({"offered": 0}, ["no request was measured"]),
        ({"refused": 1}, []),
        ({"refused": 1, "failed": 1}, ["1.0% were refused and 1.0% failed, at most 1.0% together is asked"]),
        ({"answered_per_s": 8.0}, ["only 8.0 of 10.0 requests/s were answered: a line grew"]),
        ({"answered_per_s": 9.5}, []),  # chance: some more are under way at the end
    ],
)
def test_what_a_load_shows(changes, missed):
    assert GOAL.missed(seen(**changes)) == missed


def test_the_interval_is_students():
    low, high = interval([90.0, 100.0, 111.1111])
    assert (low, high) == (
        pytest.approx(76.98, rel=1e-3),
        pytest.approx(129.9, rel=1e-3),
    )  # exp(4.303 x 0.1054 / sqrt 3)
