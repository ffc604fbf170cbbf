from __future__ import annotations

import itertools
import math
import statistics

import pytest

from bench.mistake import Mistake
from bench.schedule import Open, Segment, Shape, Spacing, Span, Trace, arrivals
from bench.schedule.shape import parse

FOREVER_S = 1e9


def constant(rate: float, spacing: Spacing = Spacing.CONSTANT) -> Open:
    return Open(Shape((Segment(FOREVER_S, rate, rate),)), spacing)


def test_a_constant_rate_is_evenly_spaced():
    assert list(arrivals(constant(4), Span(measured_s=1), 1)) == [0, 0.25, 0.5, 0.75]


def test_a_count_ends_it():
    assert list(arrivals(constant(4), Span(count=3), 1)) == [0, 0.25, 0.5]


def test_the_count_is_of_measured_requests():
    assert list(arrivals(constant(2), Span(warm_up_s=1, count=2), 1)) == [0, 0.5, 1, 1.5]


def test_a_ramp_places_request_n_where_the_area_under_the_rate_is_n():
    ramp = Open(Shape((Segment(10, 0, 20),)))  # L(t) = t²
    assert list(itertools.islice(arrivals(ramp, Span(), 1), 5)) == pytest.approx([math.sqrt(n) for n in range(5)])
    assert len(list(arrivals(ramp, Span(), 1))) == 100


def test_a_falling_ramp():
    falling = list(arrivals(Open(Shape((Segment(10, 20, 0),))), Span(), 1))  # L(t) = 20t - t²
    assert falling == pytest.approx([10 - math.sqrt(100 - n) for n in range(100)])


def test_steps_and_a_spike_follow_each_other():
    shape = parse("1x2s,10x0.5s,1x2s", None)
    assert list(arrivals(Open(shape), Span(), 1)) == pytest.approx([0, 1, 2, 2.1, 2.2, 2.3, 2.4, 2.5, 3.5])


def test_silence_between_two_steps():
    assert list(arrivals(Open(parse("2x1s,0x3s,2x1s", None)), Span(), 1)) == pytest.approx([0, 0.5, 4, 4.5])


def test_the_warm_up_goes_before_at_the_first_rate():
    ramp = Open(Shape((Segment(2, 1, 3),)))
    cold, warm = list(arrivals(ramp, Span(), 1)), list(arrivals(ramp, Span(warm_up_s=5), 1))
    assert warm == pytest.approx([0, 1, 2, 3, 4, *(5 + time for time in cold)])


def poisson_gaps(rate: float, count: int, seed: int) -> list[float]:
    times = list(arrivals(constant(rate, Spacing.POISSON), Span(count=count), seed))
    return [after - before for before, after in itertools.pairwise([0.0, *times])]


def test_poisson_gaps_are_exponential():
    """Kolmogorov and Smirnov: for 10,000 values the 1 % critical distance is 1.628 / sqrt(n)."""
    gaps = sorted(poisson_gaps(200, 10_000, seed=7))
    distance = max(
        max((index + 1) / 10_000 - theory, theory - index / 10_000)
        for index, theory in enumerate(1 - math.exp(-200 * gap) for gap in gaps)
    )
    assert distance < 1.628 / 100
    assert statistics.fmean(gaps) == pytest.approx(1 / 200, rel=0.03)
    assert statistics.stdev(gaps) == pytest.approx(1 / 200, rel=0.03)  # as large as the mean


def test_poisson_counts_per_second_have_a_variance_like_their_mean():
    times = arrivals(constant(50, Spacing.POISSON), Span(measured_s=2000), 3)
    counts = [0] * 2000
    for time_s in times:
        counts[int(time_s)] += 1
    assert statistics.fmean(counts) == pytest.approx(50, rel=0.02)
    assert statistics.variance(counts) == pytest.approx(50, rel=0.1)


def test_a_poisson_ramp_has_its_expected_counts():
    ramp = Open(Shape((Segment(100, 0, 200),)), Spacing.POISSON)
    times = list(arrivals(ramp, Span(), 5))
    first, second = sum(time < 50 for time in times), sum(time >= 50 for time in times)
    assert first == pytest.approx(2500, abs=4 * 50)
    assert second == pytest.approx(7500, abs=4 * 87)


def test_a_seed_decides_everything():
    load, span = constant(100, Spacing.POISSON), Span(measured_s=5)
    assert list(arrivals(load, span, 1)) == list(arrivals(load, span, 1))
    assert list(arrivals(load, span, 1)) != list(arrivals(load, span, 2))


def test_a_trace_is_replayed_within_its_span():
    trace = Trace((0, 0.5, 0.5, 2, 9))
    assert list(arrivals(trace, Span(), 1)) == [0, 0.5, 0.5, 2, 9]
    assert list(arrivals(trace, Span(measured_s=2), 1)) == [0, 0.5, 0.5]
    assert list(arrivals(trace, Span(warm_up_s=1, count=1), 1)) == [0, 0.5, 0.5, 2]


@pytest.mark.parametrize(
    ("text", "shape"),
    [
        ("200", Shape((Segment(30, 200, 200),))),
        ("10..500", Shape((Segment(30, 10, 500),))),
        ("2.5x10s", Shape((Segment(10, 2.5, 2.5),))),
        ("100x10s, 1000x500ms, 1..3x1m", Shape((Segment(10, 100, 100), Segment(0.5, 1000, 1000), Segment(60, 1, 3)))),
    ],
)
def test_rates_as_they_are_written(text, shape):
    assert parse(text, 30) == shape


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("fast", "'fast' is no rate"),
        ("-1", "is no rate"),
        ("100,200", "'100' has no length; write 100x10s"),
        ("0", "no request at all"),
        ("5x0s", "lasts no time"),
        ("5xlong", "'long' is no length of time"),
        ("", "is no rate"),
    ],
)
def test_rates_that_are_none(text, said):
    with pytest.raises(Mistake, match=said):
        parse(text, 30)
