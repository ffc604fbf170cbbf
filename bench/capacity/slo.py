"""What is promised, and the highest rate at which an instance keeps it."""

from __future__ import annotations

import math
import random
import re
from collections.abc import Callable

import msgspec

from ..durations import seconds, written
from ..mistake import Mistake
from .demand import Demand
from .instance import Shape
from .simulation import Result, poisson, simulate
from .student import CONFIDENCE, quantile

REPEATS = 5
REQUESTS = 20_000  # a simulated trial
_HALVINGS = 11  # of the range of rates: to 0.05 %
_QUIET = 0.01  # of the most that is possible: the rate that says whether the promise can be kept at all

CoresAt = Callable[[float], float]  # what is left for an instance at a rate


class Slo(msgspec.Struct, frozen=True):
    """``percent`` of the answers come within ``limit_s``, and no more than ``refusals`` (a share) get none."""

    percent: float
    limit_s: float
    refusals: float

    @classmethod
    def parse(cls, text: str, refusals: float) -> Slo:
        """``p95<2s``. Raises Mistake."""
        found = re.fullmatch(r"p(\d+(?:\.\d+)?)\s*<=?\s*(\S+)", text.strip())
        if not found or not 0 < float(found[1]) < 100:
            raise Mistake(f"--slo {text}: write p95<2s")
        return cls(float(found[1]), seconds(found[2]), refusals)

    def is_kept(self, result: Result) -> bool:
        """Whether the figures keep it."""
        return result.percentile(self.percent) <= self.limit_s and result.refusal_rate <= self.refusals

    def __str__(self) -> str:
        return (
            f"p{self.percent:g} within {written(self.limit_s)}, at most {self.refusals:.3g} of them without an answer"
        )


class Estimate(msgspec.Struct, frozen=True):
    """A forecast figure and where it lies with :data:`CONFIDENCE`: another measurement, other arrivals."""

    value: float
    low: float
    high: float

    @classmethod
    def of(cls, values: list[float]) -> Estimate:
        """From what repeats gave. An infinite one makes the mean infinite, and says so by that."""
        mean = sum(values) / len(values)
        if not math.isfinite(mean) or len(values) < 2:
            return cls(mean, mean, mean)
        deviation = math.sqrt(sum((value - mean) ** 2 for value in values) / (len(values) - 1))
        reach = quantile(CONFIDENCE, len(values) - 1) * deviation
        return cls(mean, max(0.0, mean - reach), mean + reach)


class Forecast(msgspec.Struct, frozen=True):
    """One instance at a rate."""

    per_s: float  # offered
    answered_per_s: Estimate
    p50_s: Estimate
    p95_s: Estimate
    p99_s: Estimate
    refusal_rate: Estimate  # refused or timed out
    inside: float
    cores: float


class Reach(msgspec.Struct, frozen=True):
    """The most that an instance takes."""

    per_s: Estimate  # 0 if the promise is kept at no rate
    at: Forecast  # there, or at next to nothing if no rate keeps it
    bound_by: str  # what it is short of

    @property
    def is_reached(self) -> bool:
        """Whether any rate keeps the promise."""
        return self.per_s.value > 0


def most(demand: Demand, shape: Shape) -> tuple[float, str]:
    """The rate that nothing can exceed, and what sets it."""
    limits = {
        "slots": shape.slots / demand.held_s if demand.held_s else math.inf,
        "cores": shape.cores / demand.cpu_s if demand.cpu_s else math.inf,
        "places (max concurrent requests)": shape.places / demand.mean_s if demand.mean_s else math.inf,
    }
    name = min(limits, key=lambda limit: limits[limit])
    if not math.isfinite(limits[name]):
        raise Mistake("a request that takes no time has no capacity: say how long it takes")
    return limits[name], name


def forecast(
    demand: Demand,
    shape: Shape,
    per_s: float,
    *,
    seed: int = 0,
    requests: int = REQUESTS,
    cores_at: CoresAt | None = None,
) -> Forecast:
    """What comes of ``per_s`` requests a second, Poisson."""
    shape = _left(shape, per_s, cores_at)
    results = []
    for repeat in range(REPEATS):
        drawn = demand.resampled(random.Random(f"measurement {seed} {repeat}"))
        arrivals_s = poisson(per_s, requests, seed + repeat)
        results.append(simulate(drawn, shape, arrivals_s, seed=seed + repeat))
    return Forecast(
        per_s,
        # of what was offered, which by chance is a little more or less in each repeat
        Estimate.of([per_s * (1 - result.refusal_rate) for result in results]),
        Estimate.of([result.percentile(50) for result in results]),
        Estimate.of([result.percentile(95) for result in results]),
        Estimate.of([result.percentile(99) for result in results]),
        Estimate.of([result.refusal_rate for result in results]),
        sum(result.inside for result in results) / len(results),
        min(per_s * demand.cpu_s, shape.cores),
    )


def reach(
    demand: Demand,
    shape: Shape,
    slo: Slo,
    *,
    seed: int = 0,
    requests: int = REQUESTS,
    repeats: int = REPEATS,
    cores_at: CoresAt | None = None,
) -> Reach:
    """The highest rate at which the promise is kept. ``cores_at``: where others on the machine take from the cores."""
    found = []
    for repeat in range(repeats):
        drawn = demand.resampled(random.Random(f"measurement {seed} {repeat}")) if repeats > 1 else demand
        found.append(_highest(drawn, shape, slo, seed + repeat, requests, cores_at))
    limit, name = most(demand, shape)
    per_s = Estimate.of(found)
    shown = per_s.value or limit * _QUIET
    bound_by = name if per_s.value > 0.9 * limit else f"the promise; {name} come next"
    return Reach(per_s, forecast(demand, shape, shown, seed=seed, requests=requests, cores_at=cores_at), bound_by)


def _highest(  # noqa: PLR0917
    demand: Demand, shape: Shape, slo: Slo, seed: int, requests: int, cores_at: CoresAt | None
) -> float:
    """By halving: with the same arrivals, nearer together, more is never better."""

    def is_kept(per_s: float) -> bool:
        arrivals_s = poisson(per_s, requests, seed)
        return slo.is_kept(simulate(demand, _left(shape, per_s, cores_at), arrivals_s, seed=seed))

    limit, _ = most(demand, shape)
    low, high = limit * _QUIET, limit * 1.25 / (1 - min(slo.refusals, 0.5))
    if not is_kept(low):
        return 0.0
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        low, high = (middle, high) if is_kept(middle) else (low, middle)
    return low


def _left(shape: Shape, per_s: float, cores_at: CoresAt | None) -> Shape:
    return shape if cores_at is None else msgspec.structs.replace(shape, cores=max(0.01, cores_at(per_s)))
