"""A forecast for given arrivals, what was then measured, and how far they lie apart. Pure; nothing is measured here."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import msgspec

from ..mistake import Mistake
from . import azure
from .demand import Demand
from .instance import Shape
from .simulation import WARM_UP, poisson, simulate
from .slo import Slo, most

AROUND = (0.7, 0.9, 1.02, 1.15)  # of the rate forecast at the promise: where trials look for the real one
OVERLOAD = 1.5
KEPT, FLOODED = AROUND[0], OVERLOAD  # the trials whose p95 is judged
LEAST_SHARE = 0.01  # refusals may be off by so much, however few they are
_DRAWS = 15  # service times anew for the same arrivals
_HALVINGS = 11


class Seen(msgspec.Struct, frozen=True):
    """An instance at one rate, forecast or measured."""

    per_s: float
    p95_s: float
    refusal_rate: float  # everything that was no success


class Foretold(msgspec.Struct, frozen=True):
    """Said of one setting before it was measured."""

    name: str
    slo: Slo
    per_s: float  # the highest that keeps the promise
    azure_per_s: float  # what the one-line rule says an instance takes
    at: Sequence[Seen]  # AROUND and OVERLOAD


class Judged(msgspec.Struct, frozen=True):
    """One setting. Errors are shares of what was measured, above 0 where too much was forecast."""

    foretold: Foretold
    measured_per_s: float
    measured: Sequence[Seen]
    rate_error: float
    p95_error: float  # the worse of the kept and the flooded trial
    refusal_excess: float  # error over what is allowed, 10 % or one point: 1 is just allowed
    azure_error: float


def foretell(name: str, demand: Demand, shape: Shape, slo: Slo, lasts_s: float, seed: int) -> Foretold:  # noqa: PLR0917
    """From the arrivals that will be sent, which are known, and service times, of which only the distribution is.

    Raises Mistake if no rate keeps the promise.
    """
    limit, _ = most(demand, shape)

    def at(per_s: float) -> Seen:
        found = [_simulated(demand, shape, per_s, lasts_s, seed, draw) for draw in range(_DRAWS)]
        return Seen(per_s, _mean([each.p95_s for each in found]), _mean([each.refusal_rate for each in found]))

    low, high = 0.0, limit * 1.5
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        low, high = (middle, high) if is_kept(at(middle), slo) else (low, middle)
    if not low:
        raise Mistake(f"{name}: no rate keeps the promise, so there is nothing to measure")
    latency_s = _p95(demand)
    concurrent = azure.concurrency(shape.slots, shape.places, blocking=demand.held_s > 0, latency_s=latency_s)
    rates = [low * share for share in (*AROUND, OVERLOAD)]
    return Foretold(name, slo, low, azure.formula_per_s(latency_s, concurrent), [at(rate) for rate in rates])


def is_kept(seen: Seen, slo: Slo) -> bool:
    """Whether the promise is."""
    return seen.p95_s <= slo.limit_s and seen.refusal_rate <= slo.refusals


def reached(measured: Sequence[Seen], slo: Slo) -> float:
    """The rate at which the promise breaks first, by the line between the trials around it.

    If it is broken in the first trial or kept in all of them, the rate of that one: the true one lies beyond.
    """
    if not is_kept(measured[0], slo):
        return measured[0].per_s
    for kept, broken in itertools.pairwise(measured):
        if not is_kept(broken, slo):
            return min(
                _crossing(kept, broken, kept.p95_s, broken.p95_s, slo.limit_s),
                _crossing(kept, broken, kept.refusal_rate, broken.refusal_rate, slo.refusals),
            )
    return measured[-1].per_s


def judge(foretold: Foretold, measured: Sequence[Seen]) -> Judged:
    """``measured``: at the rates of the forecast, in their order."""
    per_s = reached(measured[: len(AROUND)], foretold.slo)
    pairs = list(zip(foretold.at, measured, strict=True))
    first, last = pairs[0], pairs[-1]
    return Judged(
        foretold,
        per_s,
        measured,
        foretold.per_s / per_s - 1,
        max((_error(said.p95_s, seen.p95_s) for said, seen in (first, last)), key=abs),
        max(_excess(said.refusal_rate, seen.refusal_rate) for said, seen in pairs),
        foretold.azure_per_s / per_s - 1,
    )


def _simulated(demand: Demand, shape: Shape, per_s: float, lasts_s: float, seed: int, draw: int) -> Seen:  # noqa: PLR0917
    whole_s = lasts_s / (1 - WARM_UP)
    count = math.ceil(per_s * whole_s * 1.5) + 20
    arrivals_s = [at_s for at_s in poisson(per_s, count, seed) if at_s < whole_s]
    found = simulate(demand, shape, arrivals_s, seed=draw)
    return Seen(per_s, found.percentile(95), found.refusal_rate)


def _p95(demand: Demand) -> float:
    return sum(phase.times.percentile(95) for phase in demand.phases)


def _crossing(kept: Seen, broken: Seen, low: float, high: float, limit: float) -> float:
    if high <= limit:
        return broken.per_s
    if not math.isfinite(high):
        return kept.per_s
    return kept.per_s + (broken.per_s - kept.per_s) * (limit - low) / (high - low)


def _error(said: float, seen: float) -> float:
    return said / seen - 1 if math.isfinite(seen) and seen else math.inf


def _excess(said: float, seen: float) -> float:
    return abs(said - seen) / max(LEAST_SHARE, 0.1 * seen)


def _mean(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values)
