"""A day of traffic, how many instances it needs hour by hour, and a fleet behind its balancer."""

from __future__ import annotations

import pytest

from bench.capacity import fleet
from bench.capacity.demand import Demand, Phase, Times
from bench.capacity.fleet import Safety, Spare
from bench.capacity.instance import Shape
from bench.capacity.queueing import erlang_b
from bench.capacity.simulation import Balancer
from bench.capacity.slo import Slo
from bench.capacity.together import MOST, together
from bench.capacity.traffic import Traffic, rates

BARE = Safety(0.0, Spare.NONE, 3, 1)


@pytest.mark.parametrize(
    "safety, per_s, instances",
    [
        (BARE, 100, 10),
        (BARE, 100.1, 11),
        (Safety(0.2, Spare.NONE, 3, 1), 100, 13),
        (Safety(0.2, Spare.INSTANCE, 3, 1), 100, 14),
        (Safety(0.2, Spare.ZONE, 3, 1), 100, 21),  # 13 in the two zones that are left: 7 in each
        (Safety(0.0, Spare.ZONE, 2, 1), 100, 20),
        (Safety(0.2, Spare.INSTANCE, 3, 3), 1, 3),
        (Safety(0.2, Spare.NONE, 3, 3), 1, 3),
    ],
)
def test_headroom_what_may_be_lost_and_the_least(safety, per_s, instances):
    assert safety.instances(per_s, 10) == instances


def test_rates_are_counted_minute_by_minute():
    assert rates([0, 1, 59, 60, 61, 150], 60) == pytest.approx([3 / 60, 2 / 60, 1 / 60])
    assert rates([0, 5, 10], 60) == pytest.approx([0.3])  # a trace of ten seconds
    assert rates([], 60) == []


def test_a_single_request_is_no_flood():
    assert Traffic.of([0.0]).most_per_s == 1 and Traffic.of([0.0]).requests == 1
    assert Traffic.of([0.0, 0.001]).most_per_s == 2


def day(*per_s, minutes=60):
    """Evenly, so many minutes at each rate."""
    found, at_s = [], 0.0
    for rate in per_s:
        end_s = at_s + minutes * 60
        while at_s < end_s - 1e-6:
            found.append(at_s)
            at_s += 1 / rate
    return found


def test_the_busiest_minute_is_kept_with_what_came_before():
    traffic = Traffic.of(day(1, 4, 1, minutes=20))
    assert traffic.most_per_s == pytest.approx(4, rel=0.02) and traffic.second_per_s == pytest.approx(4, abs=1)
    assert traffic.peak.arrivals_s[0] == 0 and 0 < traffic.peak.begin_s <= 600
    counted = [at for at in traffic.peak.arrivals_s if at >= traffic.peak.begin_s]
    assert len(counted) == pytest.approx(240, abs=3)


def test_too_many_for_a_minute_are_its_end():
    arrivals = [at / 5000 for at in range(60 * 5000)]
    peak = Traffic.of(arrivals).peak
    assert len(peak.arrivals_s) == 120_000 and peak.arrivals_s[0] < peak.begin_s < peak.arrivals_s[-1]


def test_an_hour_has_what_its_end_and_the_lag_after_it_need():
    minutes = [10.0] * 60 + [100.0] * 60 + [10.0] * 60
    assert [hour.instances for hour in fleet.hours(minutes, BARE, 10, 0)] == [1, 10, 1]
    assert [hour.instances for hour in fleet.hours(minutes, BARE, 10, 18 * 60)] == [10, 10, 1]
    assert [hour.begin_s for hour in fleet.hours(minutes, BARE, 10, 0)] == [0, 3600, 7200]


def test_the_steepest_rise_within_the_lag():
    minutes = [10.0, 20.0, 40.0, 80.0, 10.0]
    assert fleet.steepest(minutes, 60) == 40 and fleet.steepest(minutes, 120) == 60
    assert fleet.steepest([50.0, 10.0], 600) == 0


def test_an_autoscaler_is_late_by_the_lag_unless_as_many_run_already():
    minutes = [10.0] * 30 + [100.0] * 30
    found = fleet.autoscaled(minutes, BARE, 10, 12 * 60)
    assert (found.short_minutes, found.floor) == (13, 10)  # the minute in which it is seen, and the lag
    assert found.instance_hours == pytest.approx(10.0)
    calm = fleet.autoscaled([10.0] * 60, Safety(0.0, Spare.NONE, 3, 3), 10, 12 * 60)
    assert calm == fleet.Autoscaled(0, 3, 3.0)


def test_headroom_takes_a_slow_rise():
    minutes = [10.0 * 1.01**minute for minute in range(120)]
    assert fleet.autoscaled(minutes, BARE, 1, 18 * 60).short_minutes > 90
    assert fleet.autoscaled(minutes, Safety(0.25, Spare.NONE, 3, 1), 1, 18 * 60).short_minutes == 0


def of(instances, per_s, *, balancer=Balancer.RANDOM, peak=None, places=10):
    asks = Demand((Phase(Times.parse("exp:1s"), False),))
    slo = Slo(95, 10, 0.02)
    return together(asks, Shape(1, 1, places), slo, per_s, instances, balancer=balancer, peak=peak, seed=1)


@pytest.mark.parametrize("instances", [10, 400])
def test_a_fleet_is_full_before_it_counts_however_large(instances):
    """Random balancing makes each instance Erlang's: 10 lines, 5 erlangs, 1.84 % lost."""
    found = of(instances, 5.0 * instances)
    assert found.refusal_rate.value == pytest.approx(erlang_b(10, 5), rel=0.1)
    assert found.refusal_rate.low <= erlang_b(10, 5) <= found.refusal_rate.high
    assert found.p95_s.low < found.p95_s.value < found.p95_s.high
    assert found.p99_s.low < found.p99_s.value < found.p99_s.high
    assert found.is_kept and found.simulated == instances


def test_more_instances_than_are_simulated_have_their_share():
    found = of(10 * MOST, 10.0 * MOST * 5.0)
    assert found.simulated == MOST and found.refusal_rate.value == pytest.approx(erlang_b(10, 5), rel=0.1)


def test_balancers_that_know_more_lose_less():
    lost = [
        of(50, 300, balancer=each).refusal_rate.value
        for each in (Balancer.RANDOM, Balancer.ROUND_ROBIN, Balancer.LEAST)
    ]
    assert lost == sorted(lost, reverse=True) and lost[0] > 0.03 and lost[2] == 0
    assert not of(50, 300).is_kept


def test_bursts_of_a_trace_are_what_is_simulated():
    even = Traffic.of([at / 50 for at in range(50 * 120)])
    burst = Traffic.of(sorted(float(at // 50) for at in range(50 * 120)))  # as many, all at the full second
    assert even.most_per_s == burst.most_per_s
    assert of(10, 50, balancer=Balancer.LEAST, places=7, peak=even.peak).refusal_rate.value < 0.01
    assert of(10, 50, balancer=Balancer.LEAST, places=7, peak=burst.peak).refusal_rate.value > 0.05
