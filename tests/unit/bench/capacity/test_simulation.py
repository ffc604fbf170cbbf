"""The simulated instance against the closed forms, which have tests of their own against printed tables."""

from __future__ import annotations

import math

import pytest

from bench.capacity import queueing
from bench.capacity.demand import Demand, Phase, Times
from bench.capacity.instance import Shape
from bench.capacity.simulation import Balancer, poisson, simulate
from bench.capacity.student import interval

REQUESTS = 100_000
ENDLESS = 10**9
EXPONENTIAL = Times.parse("exp:1s")
EVEN = Times.parse("1s")


def blocking(times: Times, cpu_share: float = 0.0) -> Demand:
    return Demand((Phase(times, True, cpu_share),))


def beside(times: Times, cpu_share: float = 0.0) -> Demand:
    return Demand((Phase(times, False, cpu_share),))


def mean_of(demand: Demand, shape: Shape, rate: float) -> float:
    return sum(simulate(demand, shape, poisson(rate, REQUESTS, seed), seed=seed).mean_s for seed in range(2)) / 2


@pytest.mark.parametrize("slots, load", [(1, 0.5), (4, 3.2), (16, 14)])
def test_random_service_waits_as_in_mmc(slots, load):
    expected = 1 + queueing.wait_mmc(slots, load)
    assert mean_of(blocking(EXPONENTIAL), Shape(slots, slots, ENDLESS), load) == pytest.approx(expected, rel=0.03)


@pytest.mark.parametrize("slots, load", [(1, 0.5), (4, 3.2), (16, 14)])
def test_even_service_waits_as_in_mdc(slots, load):
    expected = 1 + queueing.wait_mdc(slots, load)
    assert mean_of(blocking(EVEN), Shape(slots, slots, ENDLESS), load) == pytest.approx(expected, rel=0.02)


@pytest.mark.parametrize("times, wait", [(EXPONENTIAL, queueing.wait_mmc), (EVEN, queueing.wait_mdc)])
@pytest.mark.parametrize("slots, load", [(2, 1.6), (8, 6.4)])
def test_the_formulas_lie_within_the_statistical_error(times, wait, slots, load):
    runs = [
        simulate(blocking(times), Shape(slots, slots, ENDLESS), poisson(load, 20_000, s), seed=s) for s in range(12)
    ]
    low, high = interval([run.mean_s for run in runs])
    assert low <= 1 + wait(slots, load) <= high
    assert high - low < 0.1 * high


def test_service_between_them_waits_as_in_mgc():
    times = Times.parse("lognormal:1s,0.5")
    expected = times.mean_s * (1 + queueing.wait_mgc(4, 3.2 * times.mean_s, times.variation2))
    assert mean_of(blocking(times), Shape(4, 4, ENDLESS), 3.2) == pytest.approx(expected, rel=0.03)


def test_percentiles_of_a_single_server_are_exponential():
    result = simulate(blocking(EXPONENTIAL), Shape(1, 1, ENDLESS), poisson(0.5, REQUESTS, 1))
    assert result.percentile(95) == pytest.approx(-math.log(0.05) / 0.5, rel=0.04)


@pytest.mark.parametrize("times", [EXPONENTIAL, EVEN])
def test_where_nobody_waits_refusals_are_erlang_b(times):
    runs = [simulate(beside(times), Shape(1, 1, 10), poisson(8, REQUESTS, seed), seed=seed) for seed in range(4)]
    assert sum(run.refusal_rate for run in runs) / 4 == pytest.approx(queueing.erlang_b(10, 8), rel=0.02)


def test_a_bounded_line_refuses_and_waits_as_in_mmck():
    runs = [simulate(blocking(EXPONENTIAL), Shape(4, 4, 8), poisson(3.6, REQUESTS, s), seed=s) for s in range(3)]
    refused, wait = queueing.bounded(4, 3.6, 8)
    assert sum(run.refusal_rate for run in runs) / 3 == pytest.approx(refused, rel=0.03)
    assert sum(run.mean_s for run in runs) / 3 == pytest.approx(1 + wait, rel=0.02)


@pytest.mark.parametrize("times", [EXPONENTIAL, EVEN])
def test_shared_cores_do_not_mind_how_service_is_distributed(times):
    # M/G/1 processor sharing: mean 1 / (1 - load), whatever the distribution
    assert mean_of(beside(times, 1.0), Shape(1, 1, ENDLESS), 0.7) == pytest.approx(1 / 0.3, rel=0.05)


def test_several_cores_share_as_mmc_has_it():
    # exponential work on c shared cores has the same number inside as M/M/c
    expected = 1 + queueing.wait_mmc(2, 1.6)
    assert mean_of(beside(EXPONENTIAL, 1.0), Shape(1, 2, ENDLESS), 1.6) == pytest.approx(expected, rel=0.04)


def test_asynchronous_waits_hold_no_slot():
    mixed = Demand((Phase(Times.parse("20ms"), True), Phase(EVEN, False), Phase(Times.parse("1ms"), True)))
    result = simulate(mixed, Shape(2, 2, 200), poisson(60, 20_000, 5))
    assert result.refused == 0 and result.per_s == pytest.approx(60, rel=0.03)
    assert result.percentile(50) == pytest.approx(1.021, abs=0.02)
    assert simulate(blocking(EVEN), Shape(2, 2, 200), poisson(60, 20_000, 5)).refusal_rate > 0.9


def test_somebody_who_comes_back_goes_before_somebody_new():
    two = Demand((Phase(Times.parse("1s"), True), Phase(Times.parse("1s"), True)))
    result = simulate(two, Shape(1, 1, 100), [0.0, 0.5, 0.6], seed=1)
    # the first keeps the slot for its two phases, then the second for its two; warm-up takes none of three
    assert list(result.latencies_s) == pytest.approx([2.0, 3.5, 5.4])


def test_a_deadline_ends_a_wait_and_gives_the_place_back_but_not_the_slot():
    # served 0 to 4 but answered 408 at 3; the second waited until its own deadline; the third starts at 4
    result = simulate(blocking(Times.parse("4s")), Shape(1, 1, 2, deadline_s=3), [0.0, 0.1, 3.5, 20.0])
    assert (result.offered, result.refused, result.timed_out) == (4, 0, 4)
    quick = simulate(blocking(Times.parse("2s")), Shape(1, 1, 2, deadline_s=3), [0.0, 0.5, 0.6, 10.0])
    assert (quick.refused, quick.timed_out) == (1, 1) and list(quick.latencies_s) == pytest.approx([2.0, 2.0])


def test_the_same_seed_gives_the_same_figures():
    runs = [simulate(blocking(EXPONENTIAL), Shape(2, 2, 8), poisson(1.5, 2000, 9), seed=9) for _ in range(2)]
    assert runs[0] == runs[1]


def test_nobody_comes():
    nothing = simulate(blocking(EVEN), Shape(1, 1, 1), [])
    assert (nothing.offered, nothing.percentile(95), nothing.refusal_rate, nothing.per_s) == (0, math.inf, 0, 0)


def test_hundreds_of_instances_behind_a_balancer():
    arrivals = poisson(200 * 3.2, REQUESTS, 2)
    results = {
        balancer: simulate(blocking(EXPONENTIAL), Shape(4, 4, 64), arrivals, instances=200, balancer=balancer)
        for balancer in Balancer
    }
    # random: each instance is M/M/4 by itself; least connections: nearly one line of 800 slots, where nobody waits
    assert results[Balancer.RANDOM].mean_s == pytest.approx(1 + queueing.wait_mmc(4, 3.2), rel=0.08)
    assert results[Balancer.LEAST].mean_s == pytest.approx(1, rel=0.03)
    means = [results[balancer].mean_s for balancer in (Balancer.LEAST, Balancer.ROUND_ROBIN, Balancer.RANDOM)]
    assert means == sorted(means)


def test_one_of_several_with_places_left_refuses_nobody():
    result = simulate(beside(EVEN), Shape(1, 1, 2), [0.0, 0.01, 0.02, 0.03, 0.04, 0.05], instances=3)
    assert result.offered == 6 and result.refused == 0
