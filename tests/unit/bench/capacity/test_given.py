"""What a forecast starts from, and what is doubted about it."""

from __future__ import annotations

import msgspec
import pytest

from bench.capacity.demand import Times
from bench.capacity.given import Given, demand, doubts, phase
from bench.mistake import Mistake

MEASURED = Given(origin="x", times=Times((0.1,)), count=500, cpu_s=0.02)


def changed(**fields):
    return msgspec.structs.replace(MEASURED, **fields)


def test_what_holds_a_slot_is_all_none_or_a_time():
    assert demand(MEASURED, "all", None).held_s == pytest.approx(0.1)
    assert demand(MEASURED, "none", None).held_s == 0
    part = demand(MEASURED, "30ms", None)
    assert (part.held_s, part.mean_s, part.cpu_s) == pytest.approx((0.03, 0.1, 0.02))
    assert demand(MEASURED, "1s", None).held_s == pytest.approx(0.1)
    with pytest.raises(Mistake, match="--blocking much"):
        demand(MEASURED, "much", None)


def test_cpu_that_was_told_wins():
    assert demand(MEASURED, "all", 0.05).cpu_s == pytest.approx(0.05)
    assert demand(changed(cpu_s=None), "all", None).cpu_s == 0


def test_cpu_under_load_is_what_counts_where_it_was_measured():
    busy = changed(busy_cpu_s=0.022)
    asks = demand(busy, "all", None)
    assert (asks.cpu_s, asks.mean_s) == pytest.approx((0.022, 0.102))
    assert demand(busy, "all", 0.02).mean_s == pytest.approx(0.1)  # told: nothing is added
    assert any("20 ms of CPU when it is quiet and 22 ms" in doubt for doubt in doubts(busy, asks, 4, has_cpu=True))


def test_more_cpu_than_time_is_had_one_after_the_other_and_told():
    """Several threads of a request compute at once: so many cores it costs."""
    parallel = changed(cpu_s=0.3)
    asks = demand(parallel, "all", None)
    assert (asks.cpu_s, asks.mean_s) == pytest.approx((0.3, 0.3))
    assert any("several threads" in doubt for doubt in doubts(parallel, asks, 4, has_cpu=True))


def test_more_cpu_than_time_cannot_be_told_by_hand():
    with pytest.raises(Mistake, match="5 s of CPU"):
        demand(changed(count=0), "all", 5.0)
    with pytest.raises(Mistake, match="more than its time"):
        phase("blocking 10ms cpu 20ms")


def test_phases_are_read():
    found = phase("blocking 20ms cpu 5ms")
    assert found.blocking and found.cpu_s == pytest.approx(0.005)
    assert not phase("beside lognormal:1.2s,0.5").blocking
    with pytest.raises(Mistake, match="write 'blocking 20ms cpu 5ms'"):
        phase("20ms")


def test_what_is_doubted():
    asks = demand(MEASURED, "all", None)
    assert doubts(MEASURED, asks, 4, has_cpu=True) == []
    assert "only 100 requests" in doubts(changed(count=100), asks, 4, has_cpu=True)[0]
    assert "is not known" in doubts(MEASURED, asks, 4, has_cpu=False)[0]
    assert "hold waiting" in doubts(changed(inside=9.0), asks, 4, has_cpu=True)[0]
    assert doubts(changed(inside=9.0), demand(MEASURED, "none", None), 4, has_cpu=True) == []
