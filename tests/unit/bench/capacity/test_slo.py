"""A promise, and the highest rate that keeps it."""

from __future__ import annotations

import math

import pytest

from bench.capacity.demand import Demand, Phase, Times
from bench.capacity.instance import Shape
from bench.capacity.simulation import Result
from bench.capacity.slo import Estimate, Slo, forecast, most, reach
from bench.capacity.student import quantile
from bench.mistake import Mistake


def blocking(times: str, cpu_share: float = 0.0) -> Demand:
    return Demand((Phase(Times.parse(times), True, cpu_share),))


def beside(times: str, cpu_share: float = 0.0) -> Demand:
    return Demand((Phase(Times.parse(times), False, cpu_share),))


def test_a_promise_is_read():
    assert Slo.parse("p95<2s", 0.01) == Slo.parse(" p95 <= 2000ms ", 0.01) == Slo(95, 2, 0.01)
    assert Slo.parse("p99.9<1m", 0).percent == 99.9


@pytest.mark.parametrize("text", ["", "p95", "95<2s", "p0<2s", "p100<2s", "p95<", "p95<soon", "p95>2s", "p95<-2s"])
def test_what_is_no_promise(text):
    with pytest.raises(Mistake):
        Slo.parse(text, 0.01)


def test_it_is_kept_up_to_its_bounds():
    slo = Slo(50, 1.0, 0.5)
    assert slo.is_kept(Result((1.0, 1.0), 4, 1, 1, 1.0))
    assert not slo.is_kept(Result((1.0, 1.1, 1.1), 4, 1, 0, 1.0))
    assert not slo.is_kept(Result((1.0,), 4, 3, 0, 1.0))
    assert not slo.is_kept(Result((), 0, 0, 0, 1.0))


def test_an_interval_is_where_another_run_would_lie():
    estimate = Estimate.of([1.0, 2.0, 3.0])
    assert (estimate.value, estimate.high) == (2.0, pytest.approx(2 + quantile(0.95, 2)))
    assert estimate.low == 0.0  # there is nothing below
    assert Estimate.of([5.0]) == Estimate(5.0, 5.0, 5.0)
    assert math.isinf(Estimate.of([1.0, math.inf]).value)


@pytest.mark.parametrize(
    "demand, shape, per_s, name",
    [
        (blocking("100ms"), Shape(8, 2, 64), 80, "slots"),
        (blocking("100ms", 0.5), Shape(8, 2, 64), 40, "cores"),
        (beside("100ms", 0.1), Shape(8, 2, 4), 40, "places (max concurrent requests)"),
    ],
)
def test_what_nothing_can_exceed(demand, shape, per_s, name):
    assert most(demand, shape) == (pytest.approx(per_s), name)


def test_no_time_is_no_capacity():
    with pytest.raises(Mistake, match="takes no time"):
        most(beside("0s"), Shape(1, 1, 1))


def test_refusals_are_erlangs_table_read_backwards():
    """10 lines lose 1 % at 4.461 erlangs."""
    found = reach(beside("exp:100ms"), Shape(1, 1, 10), Slo(95, 10, 0.01))
    assert found.per_s.low <= 44.61 <= found.per_s.high and found.per_s.value == pytest.approx(44.61, rel=0.03)


def test_a_percentile_is_that_of_one_server():
    """M/M/1: p95 of the time inside is ln(20) / (mu - lambda), so mu = 10, p95 < 1 s bears 7.004 a second."""
    found = reach(blocking("exp:100ms"), Shape(1, 1, 10**9), Slo(95, 1.0, 0.5))
    assert found.per_s.value == pytest.approx(10 - math.log(20), rel=0.03)
    assert found.per_s.low <= 10 - math.log(20) <= found.per_s.high
    assert found.bound_by == "the promise; slots come next"


def test_the_interval_holds_what_few_measured_times_leave_open():
    many, few = Times.parse("exp:100ms"), Times(Times.parse("exp:100ms").values[::80])
    spreads = [
        found.per_s.high - found.per_s.low
        for times in (many, few)
        if (found := reach(Demand((Phase(times, True),)), Shape(4, 4, 64), Slo(95, 0.5, 0.01), requests=5000))
    ]
    assert spreads[1] > 2 * spreads[0]


def test_what_no_rate_keeps_is_shown_at_next_to_nothing():
    found = reach(blocking("100ms"), Shape(1, 1, 4), Slo(95, 0.05, 0.01), requests=1000)
    assert not found.is_reached and found.per_s == Estimate(0, 0, 0)
    assert found.at.p95_s.value == pytest.approx(0.1) and found.at.per_s == pytest.approx(0.1)


def test_a_forecast_beyond_capacity_refuses_the_rest():
    found = forecast(blocking("100ms"), Shape(1, 1, 2), 20.0, requests=5000)
    assert found.answered_per_s.value == pytest.approx(10, rel=0.12) and found.refusal_rate.value > 0.4
