from __future__ import annotations

from pathlib import Path

import pytest

from bench.budgets import BUDGETS, NUMBERS, judge
from bench.compare import MEASURES, compare
from bench.part import Part, Settings
from bench.series import Series, ratio, slope


def series(*samples, system="pfserve"):
    return Series(system, "requests/s", "/s", samples)


def test_the_median_counts_and_not_the_mean():
    measured = series(1.0, 100.0, 2.0)
    assert (measured.median, measured.low, measured.high) == (2.0, 1.0, 100.0)
    assert series(1.0, 2.0).median == 1.5


def test_a_ratio_is_taken_round_by_round():
    # The machine was half as fast in the second round, for both.
    ours, theirs = series(90.0, 45.0, 90.0), series(100.0, 50.0, 100.0, system="peer")
    compared = ratio(ours, theirs)
    assert compared.samples == pytest.approx((0.9, 0.9, 0.9))
    assert (compared.system, compared.unit) == ("pfserve / peer", "x")


def test_a_ratio_needs_both_in_every_round():
    with pytest.raises(ValueError, match="shorter"):
        ratio(series(1.0, 2.0), series(1.0))


def test_slope_of_a_line_and_of_noise_around_it():
    assert slope({1: 50.0, 2: 58.0, 4: 74.0}) == pytest.approx(8.0)
    # By hand: x̄ = 7/3, Σ(x-x̄)(y-ȳ) = 109/3, Σ(x-x̄)² = 14/3.
    assert slope({1: 50.0, 2: 56.0, 4: 73.0}) == pytest.approx(109 / 14)


@pytest.mark.parametrize(
    ("key", "samples", "met"),
    [
        ("P1.async", (0.95, 0.91, 0.10), True),  # the median, not the worst
        ("P1.async", (0.90,), True),  # the limit itself is met
        ("P1.async", (0.89, 0.89, 2.0), False),
        ("P1.async-flask", (44.9,), False),
        ("P1.sync-flask", (35.0,), True),
        ("P2.p50", (0.15,), True),
        ("P2.p50", (0.151,), False),
        ("P6.worker", (9.1, 8.9, 8.8), True),
        ("P7.ready", (0.6, 0.6, 0.1), False),
    ],
)
def test_verdicts(key, samples, met):
    assert judge(key, series(*samples)).met is met


def test_an_unknown_line_is_a_mistake():
    with pytest.raises(KeyError):
        judge("P1.quantum", series(1.0))


def test_every_line_has_a_key_of_its_own_and_somebody_who_measures_it():
    assert len({budget.key for budget in BUDGETS}) == len(BUDGETS)
    assert tuple(MEASURES) == NUMBERS


def test_no_line_of_a_number_is_left_out(monkeypatch):
    def measure(settings, say):
        return Part((), (judge("P7.ready", series(0.4)), *more))

    monkeypatch.setitem(MEASURES, "P7", measure)
    settings = Settings(1, 1, Path(), Path)
    more = [judge("P7.import", series(0.1))]
    assert compare(["P7"], settings, print).met
    more = []
    with pytest.raises(AssertionError, match="P7"):
        compare(["P7"], settings, print)
