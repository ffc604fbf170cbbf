"""The fit against figures of others.

SPEC SDM91 on a SPARCcenter 2000 is the data set of N. J. Gunther, Guerrilla Capacity Planning (2007), chapter 5; the
coefficients, standard errors and residuals are those that the R package usl 3.0 prints
for it (non-linear least squares).
"""

from __future__ import annotations

import math

import pytest

from bench.capacity.student import interval, quantile
from bench.capacity.usl import fit
from bench.mistake import Mistake

SDM91 = [(1, 64.9), (18, 995.9), (36, 1652.4), (72, 1853.2), (108, 1828.9), (144, 1775.0), (216, 1702.2)]


def test_the_published_coefficients():
    found = fit(SDM91)
    assert found.rate.value == pytest.approx(89.9952330, rel=1e-5)
    assert found.contention.value == pytest.approx(0.0277285, rel=1e-4)
    assert found.coherency.value == pytest.approx(0.0001044, rel=1e-3)
    assert min(found.residuals) == pytest.approx(-81.7, abs=0.1)
    assert max(found.residuals) == pytest.approx(111.1, abs=0.1)


@pytest.mark.parametrize("name, error", [("rate", 14.2134894), ("contention", 0.0091217), ("coherency", 0.0000199)])
def test_the_published_standard_errors_give_the_intervals(name, error):
    parameter = getattr(fit(SDM91), name)
    assert parameter.high - parameter.value == pytest.approx(error * 2.776, rel=2e-3)


def test_the_peak_and_the_range():
    found = fit(SDM91)
    assert found.peak_n == pytest.approx(96.5, abs=0.1)
    assert found.is_measured(216) and not found.is_measured(217) and found.is_sure


def test_what_is_exact_is_found_exactly():
    points = [(n, 1000 * n / (1 + 0.03 * (n - 1) + 1e-4 * n * (n - 1))) for n in (1, 2, 4, 8, 16, 32)]
    found = fit(points)
    assert found.contention.value == pytest.approx(0.03) and found.coherency.value == pytest.approx(1e-4)
    assert found.r2 == pytest.approx(1) and found.at(64) == pytest.approx(64_000 / (1 + 0.03 * 63 + 1e-4 * 64 * 63))


def test_what_scales_evenly_has_no_peak():
    found = fit([(n, 50.0 * n) for n in (1, 2, 3, 4)])
    assert found.peak_n == math.inf and found.contention.value == 0 and not found.is_sure


def test_better_than_linear_is_not_taken_for_negative_contention():
    found = fit([(1, 10), (2, 21), (4, 44), (8, 90)])
    assert found.contention.value == 0 and found.coherency.value == 0


@pytest.mark.parametrize(
    "points, words",
    [
        ([(1, 10), (2, 19), (3, 27)], "3 levels of N are too few"),
        ([(1, 10), (2, 19), (3, 0), (4, 1)], "above 0"),
        ([(0, 10), (2, 19), (3, 20), (4, 1)], "N of 1 or more"),
    ],
)
def test_what_cannot_be_fitted_is_said(points, words):
    with pytest.raises(Mistake, match=words):
        fit(points)


@pytest.mark.parametrize("freedom, t", [(1, 12.706), (2, 4.303), (3, 3.182), (4, 2.776), (10, 2.228), (30, 2.042)])
def test_students_t_as_every_table_has_it(freedom, t):
    assert quantile(0.95, freedom) == pytest.approx(t, abs=5e-4)


def test_the_interval_of_a_mean():
    assert interval([1, 2, 3, 4, 5]) == pytest.approx((3 - 1.9632, 3 + 1.9632), abs=1e-4)
    assert interval([7]) == (7, 7)
