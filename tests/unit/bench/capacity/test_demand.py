"""Distributions told by hand, and what a request asks."""

from __future__ import annotations

import math
import random

import pytest

from bench.capacity.demand import POINTS, Demand, Phase, Times
from bench.mistake import Mistake


def test_a_log_normal_has_its_median_and_its_mean():
    times = Times.parse("lognormal:1.2s,0.5")
    assert times.percentile(50) == pytest.approx(1.2, rel=1e-3)
    assert times.mean_s == pytest.approx(1.2 * math.exp(0.5**2 / 2), rel=1e-3)


def test_an_exponential_has_its_mean_and_varies_as_much():
    times = Times.parse("exp:200ms")
    assert times.mean_s == pytest.approx(0.2, rel=1e-3) and times.variation2 == pytest.approx(1, rel=0.01)


@pytest.mark.parametrize("text", ["p50=1.2s,p95=2.8s", "p95=2.8s,p50=1.2s"])
def test_two_percentiles_come_back_as_they_were_told(text):
    times = Times.parse(text)
    assert (times.percentile(50), times.percentile(95)) == pytest.approx((1.2, 2.8), rel=1e-3)


@pytest.mark.parametrize(
    "text",
    [
        "", "fast", "-1s", "nan", "exp:", "exp:-1s", "exp:1s,2", "lognormal:1s", "lognormal:1s,0", "lognormal:1s,nan",
        "lognormal:1s,-1", "gamma:1s", "p50=2s,p95=1s", "p50=1s,p95=1s", "p50=1s", "p50=1s,p50=2s", "p50=1s,p100=2s",
        "p50=0s,p95=1s", "p50=1s,p90=2s,p95=3s", "p50=1s,p95=x",
    ],
)  # fmt: skip
def test_what_is_no_distribution(text):
    with pytest.raises(Mistake):
        Times.parse(text)


@pytest.mark.parametrize("values, words", [([], "no time was measured"), ([1, -1], "below 0"), ([math.nan], "number")])
def test_what_cannot_have_been_measured(values, words):
    with pytest.raises(Mistake, match=words):
        Times.of(values)


def test_a_histogram_is_even_within_a_bucket_and_no_surer_than_what_it_counted():
    times = Times.from_buckets([0.1, 0.2, math.inf], [50, 100, 100])
    assert len(times.values) == 100
    assert times.percentile(50) == pytest.approx(0.1, abs=0.002) and times.percentile(75) == pytest.approx(
        0.15, abs=0.002
    )
    assert len(Times.from_buckets([0.1, math.inf], [10**6, 10**6]).values) == POINTS
    assert Times.from_buckets([0.1, math.inf], [0, 2]).values == (0.1, 0.1)  # beyond the last bound: that bound
    with pytest.raises(Mistake, match="empty"):
        Times.from_buckets([0.1, math.inf], [0, 0])


def test_phases_are_added_whole_however_many_values_each_has():
    asks = Demand(
        (Phase(Times.parse("20ms"), True), Phase(Times.parse("exp:1s"), False), Phase(Times.parse("exp:1s"), False))
    )
    assert asks.whole.mean_s == pytest.approx(2.02, rel=0.05)
    assert asks.whole.variation2 == pytest.approx(0.5, rel=0.1)  # independent of each other: Erlang of two
    assert asks.held.values == (0.02,)
    assert asks.whole == asks.whole


def test_another_measurement_has_as_many_values_of_the_same():
    times = Times((1.0, 2.0, 3.0))
    drawn = times.resampled(random.Random(1))
    assert len(drawn.values) == 3 and set(drawn.values) <= {1.0, 2.0, 3.0}


def test_a_faster_core_shortens_computing_and_not_waiting():
    asks = Demand((Phase(Times((1.0,)), True, 0.4),)).on_faster(2.0)
    assert asks.mean_s == pytest.approx(0.8) and asks.cpu_s == pytest.approx(0.2)
