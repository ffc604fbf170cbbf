"""The histogram beside HdrHistogram: every figure here was computed by the package hdrhistogram 0.10.8."""

from __future__ import annotations

import math
from collections.abc import Iterator

import pytest

from bench.histogram import Histogram, bounds_of, bucket_of

HDR = {
    1: 50111, 25: 1441791, 50: 3471359, 75: 6946815, 90: 11567103, 95: 15089663, 99: 23199743, 99.9: 33980415,
    99.99: 46235647, 100: 55181311,
}  # fmt: skip
HDR_MEAN = 5017999.33204


def exponential(count: int) -> Iterator[int]:
    """Exponential values of mean 5,000,000, by Knuth's linear congruential generator."""
    state = 42
    for _ in range(count):
        state = (state * 6364136223846793005 + 1442695040888963407) % 2**64
        yield max(1, int(-math.log(((state >> 11) + 1) / 2**53) * 5_000_000))


@pytest.fixture(scope="module")
def histogram() -> Histogram:
    return Histogram.of(exponential(100_000))


def test_percentiles_are_those_of_hdrhistogram(histogram):
    assert {percent: histogram.percentile(percent) for percent in HDR} == HDR
    assert histogram.maximum == HDR[100]
    assert histogram.mean == pytest.approx(HDR_MEAN, rel=1e-6)


def test_one_outlier_among_many():
    histogram = Histogram.of([1000] * 10_000 + [100_000_000])
    shown = [histogram.percentile(percent) for percent in (30, 99, 99.99, 99.999, 100)]
    assert shown == [1000, 1000, 1000, 100_007_935, 100_007_935]


def test_a_merged_histogram_is_that_of_all_values(histogram):
    values = list(exponential(100_000))
    parts = [Histogram.of(values[start::3]) for start in range(3)]
    for part in parts[1:]:
        parts[0].merge(part)
    assert parts[0].counts == histogram.counts


@pytest.mark.parametrize("value", [0, 1, 2047, 2048, 2049, 4095, 4096, 123_456_789, 2**62])
def test_a_bucket_holds_its_value_within_a_thousandth(value):
    low, high = bounds_of(bucket_of(value))
    assert low <= value <= high
    assert high - low <= value / 1000
    assert bucket_of(low) == bucket_of(high)
    assert bucket_of(high + 1) == bucket_of(high) + 1


def test_what_is_negative_counts_as_nothing():
    assert Histogram.of([-5, -(10**9)]).percentile(100) == 0


def test_an_empty_one_has_no_percentiles():
    assert (len(Histogram()), Histogram().maximum, Histogram().mean) == (0, 0, 0.0)
    with pytest.raises(ValueError, match="empty"):
        Histogram().percentile(50)
