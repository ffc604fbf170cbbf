"""A fleet behind its balancer, simulated as one, several times: other arrivals, another measurement."""

from __future__ import annotations

import random

import msgspec

from .demand import Demand
from .instance import Shape
from .simulation import Balancer, Result, poisson, simulate
from .slo import REPEATS, Estimate, Slo
from .traffic import Peak

MOST = 500  # instances that are simulated: more only share the load more evenly
_REQUESTS = 20_000  # at least
_FILLED, _COUNTED = 4.0, 5.0  # times of a request: until a fleet that begins empty is full, and then


class Together(msgspec.Struct, frozen=True):
    """What so many instances give."""

    p95_s: Estimate
    p99_s: Estimate
    refusal_rate: Estimate  # refused or timed out
    is_kept: bool  # the promise, on average of the repeats
    simulated: int  # instances


def together(
    demand: Demand,
    shape: Shape,
    slo: Slo,
    per_s: float,
    instances: int,
    *,
    balancer: Balancer,
    peak: Peak | None,
    seed: int,
) -> Together:
    """``per_s`` requests a second for all together, Poisson, or the arrivals of ``peak``."""
    simulated = min(instances, MOST)
    results = []
    for repeat in range(REPEATS):
        drawn = demand.resampled(random.Random(f"measurement {seed} {repeat}"))
        if peak is not None and simulated == instances:
            arrivals_s, begin_s = peak.arrivals_s, peak.begin_s
        else:
            arrivals_s, begin_s = _arrivals(demand, per_s * simulated / instances, seed + repeat)
        results.append(
            simulate(
                drawn,
                shape,
                arrivals_s,
                instances=simulated,
                balancer=balancer,
                seed=seed + repeat,
                begin_s=begin_s,
            )
        )
    return _told(results, slo, simulated)


def _arrivals(demand: Demand, per_s: float, seed: int) -> tuple[list[float], float]:
    """And from when on they count. However large a fleet is, its line must be as long as it gets before they do."""
    inside = per_s * demand.mean_s
    before = max(_REQUESTS * _FILLED / (_FILLED + _COUNTED), _FILLED * inside)
    arrivals_s = poisson(per_s, round(before * (_FILLED + _COUNTED) / _FILLED), seed)
    return arrivals_s, arrivals_s[int(before)]


def _told(results: list[Result], slo: Slo, simulated: int) -> Together:
    refusal_rate = Estimate.of([result.refusal_rate for result in results])
    promised = Estimate.of([result.percentile(slo.percent) for result in results])
    return Together(
        Estimate.of([result.percentile(95) for result in results]),
        Estimate.of([result.percentile(99) for result in results]),
        refusal_rate,
        promised.value <= slo.limit_s and refusal_rate.value <= slo.refusals,
        simulated,
    )
