from __future__ import annotations

import pytest

from bench.contest import Contest, Sample
from bench.wrk import Load, Reading


def sample(rate=1000.0, *, failures=0, generator=0.3, server=1.5, foreign=0.0):
    return Sample(Reading(4000, rate, 0.001, 0.004, failures, generator), server, foreign)


def contest(*samples, threads=1):
    return Contest("async echo", Load(16, 4, "{}", threads), {"pfserve": list(samples)})


def test_quantities_in_their_units():
    held = contest(sample(1000.0), sample(2000.0))
    assert held.requests_per_s("pfserve").samples == (1000.0, 2000.0)
    assert held.p50_ms("pfserve").median == pytest.approx(1.0)
    assert held.p99_ms("pfserve").median == pytest.approx(4.0)
    (cpu,) = [series for series in held.series() if "per request" in series.quantity]
    assert cpu.samples == pytest.approx((1500.0, 750.0))  # 1.5 cores over 1000 and 2000 requests/s, in us


@pytest.mark.parametrize(
    ("samples", "doubt"),
    [
        ([sample()], None),
        ([sample(), sample(failures=3), sample(failures=1)], "4 requests failed"),
        ([sample(foreign=0.5), sample(foreign=0.5), sample()], "others used 0.50 cores"),
        ([sample(foreign=0.5), sample(), sample()], None),  # one disturbed round cannot move a median
        ([sample(generator=0.97)], "was the limit itself"),
    ],
)
def test_doubts(samples, doubt):
    voids = contest(*samples).voids()
    if doubt is None:
        assert voids == ()
    else:
        (void,) = voids
        assert doubt in void
        assert void.startswith("async echo, pfserve: ")


def test_two_generator_threads_may_use_more_than_one_core():
    assert contest(sample(generator=1.2), threads=2).voids() == ()
