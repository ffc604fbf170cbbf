"""What one request asks of an instance: time on a slot or beside it, and the CPU in it."""

from __future__ import annotations

import itertools
import math
import random
import re
import statistics
from collections.abc import Iterator, Sequence

import msgspec

from ..durations import seconds
from ..mistake import Mistake

POINTS = 4000  # equally likely values that stand for a distribution
_BLOCK = 4096
_PERCENTILE = re.compile(r"p(\d+(?:\.\d+)?)=([^,]+)")
_PERCENTILES = re.compile(rf"{_PERCENTILE.pattern},{_PERCENTILE.pattern}")


class Times(msgspec.Struct, frozen=True):
    """A distribution as equally likely values, in seconds, ascending."""

    values: tuple[float, ...]

    @classmethod
    def of(cls, values: Sequence[float]) -> Times:
        """Those measured. Raises Mistake if there is none, or one is below 0 or no number."""
        if not values:
            raise Mistake("no time was measured: nothing can be forecast from it")
        if not all(math.isfinite(value) and value >= 0 for value in values):
            raise Mistake("a measured time is below 0 or no number")
        return cls(tuple(sorted(values)))

    @classmethod
    def parse(cls, text: str) -> Times:
        """``1.2s``, ``exp:1.2s`` by its mean, ``lognormal:1.2s,0.5`` by median and sigma, ``p50=1.2s,p95=2.8s``.

        Two percentiles are taken as those of a log-normal distribution. Raises Mistake.
        """
        if "=" in text:
            return cls(_lognormal(*_between(text)))
        kind, colon, rest = text.rpartition(":")
        parts = rest.split(",")
        if not colon and len(parts) == 1:
            return cls((seconds(rest),))
        if kind == "exp" and len(parts) == 1:
            mean_s = seconds(rest)
            return cls(tuple(-mean_s * math.log(1 - at) for at in _evenly(POINTS)))
        if kind == "lognormal" and len(parts) == 2:
            return cls(_lognormal(seconds(parts[0]), _sigma(parts[1], text)))
        raise Mistake(f"{text!r} is no distribution: write 1.2s, exp:1.2s, lognormal:1.2s,0.5 or p50=1.2s,p95=2.8s")

    @classmethod
    def from_buckets(cls, bounds_s: Sequence[float], cumulated: Sequence[float]) -> Times:
        """From a histogram, evenly within each bucket; the last bound is infinite and counts as the one before.

        No more values than were counted: how sure a forecast is depends on their number.
        """
        if not cumulated or cumulated[-1] <= 0:
            raise Mistake("the histogram of durations is empty")
        found = []
        for at in _evenly(min(POINTS, max(1, round(cumulated[-1])))):
            rank = at * cumulated[-1]
            place = next(index for index, count in enumerate(cumulated) if count >= rank)
            low = bounds_s[place - 1] if place else 0.0
            before = cumulated[place - 1] if place else 0.0
            high = bounds_s[place] if math.isfinite(bounds_s[place]) else low
            found.append(low + (high - low) * (rank - before) / (cumulated[place] - before))
        return cls(tuple(found))

    @property
    def mean_s(self) -> float:
        """The mean."""
        return math.fsum(self.values) / len(self.values)

    @property
    def variation2(self) -> float:
        """The squared coefficient of variation."""
        mean_s = self.mean_s
        return statistics.pvariance(self.values, mean_s) / mean_s**2 if mean_s else 0.0

    def percentile(self, percent: float) -> float:
        """The value that ``percent`` do not exceed."""
        return percentile(self.values, percent)

    def scaled(self, factor: float) -> Times:
        """All of them longer or shorter."""
        return Times(tuple(value * factor for value in self.values))

    def resampled(self, dice: random.Random) -> Times:
        """As another measurement of as many might have come out."""
        return Times(tuple(sorted(dice.choices(self.values, k=len(self.values)))))

    def draws(self, dice: random.Random) -> Iterator[float]:
        """Without end."""
        return itertools.chain.from_iterable(iter(lambda: dice.choices(self.values, k=_BLOCK), None))


class Phase(msgspec.Struct, frozen=True):
    """A stretch of a request: the whole time that it takes where nobody is in the way."""

    times: Times
    blocking: bool  # whether it holds a slot, as blocking steps do; asynchronous ones do not
    cpu_share: float = 0.0  # of its time: CPU. The rest is waiting for somebody else

    @property
    def cpu_s(self) -> float:
        """Mean CPU."""
        return self.times.mean_s * self.cpu_share


class Demand(msgspec.Struct, frozen=True):
    """A request: its phases, one after the other. At least one."""

    phases: tuple[Phase, ...]

    @property
    def mean_s(self) -> float:
        """Alone on the instance."""
        return math.fsum(phase.times.mean_s for phase in self.phases)

    @property
    def cpu_s(self) -> float:
        """Mean CPU."""
        return math.fsum(phase.cpu_s for phase in self.phases)

    @property
    def held_s(self) -> float:
        """Mean time on a slot."""
        return math.fsum(phase.times.mean_s for phase in self.phases if phase.blocking)

    @property
    def whole(self) -> Times:
        """Of requests alone on the instance, their phases independent of each other."""
        return summed([phase.times for phase in self.phases])

    @property
    def held(self) -> Times:
        """On a slot. At least one phase has to block."""
        return summed([phase.times for phase in self.phases if phase.blocking])

    def resampled(self, dice: random.Random) -> Demand:
        """As another measurement might have found it."""
        return self.replaced(*(phase.times.resampled(dice) for phase in self.phases))

    def replaced(self, *times: Times) -> Demand:
        """With other times; the CPU per request grows and shrinks with them."""
        pairs = zip(self.phases, times, strict=True)
        return Demand(tuple(msgspec.structs.replace(phase, times=other) for phase, other in pairs))

    def on_faster(self, speed: float) -> Demand:
        """On cores ``speed`` times as fast: CPU shrinks, waiting for others does not."""
        return Demand(tuple(_on_faster(phase, speed) for phase in self.phases))


def summed(parts: Sequence[Times]) -> Times:
    """One of each, added: exact for one part or fixed others, else drawn, the same in every run."""
    varied = sorted((part for part in parts if len(part.values) > 1), key=lambda part: -len(part.values))
    fixed_s = math.fsum(part.values[0] for part in parts if len(part.values) == 1)
    if not varied:
        return Times((fixed_s,))
    dice = random.Random("sum")
    columns = [varied[0].values, *(dice.choices(part.values, k=len(varied[0].values)) for part in varied[1:])]
    return Times(tuple(sorted(fixed_s + math.fsum(drawn) for drawn in zip(*columns, strict=True))))


def percentile(ascending: Sequence[float], percent: float) -> float:
    """The value that ``percent`` of them do not exceed; infinite if there is none."""
    if not ascending:
        return math.inf
    return ascending[max(0, math.ceil(len(ascending) * percent / 100 - 1e-9) - 1)]


def _on_faster(phase: Phase, speed: float) -> Phase:
    cpu, rest = phase.cpu_share / speed, 1 - phase.cpu_share
    return Phase(phase.times.scaled(cpu + rest), phase.blocking, cpu / (cpu + rest))


def _evenly(points: int) -> Iterator[float]:
    return ((point + 0.5) / points for point in range(points))


def _lognormal(median_s: float, sigma: float) -> tuple[float, ...]:
    normal = statistics.NormalDist(0, sigma)
    return tuple(median_s * math.exp(normal.inv_cdf(at)) for at in _evenly(POINTS))


def _between(text: str) -> tuple[float, float]:
    """Median and sigma of the log-normal distribution with two percentiles."""
    found = sorted((float(percent), seconds(length)) for percent, length in _PERCENTILE.findall(text))
    if len(found) != 2 or not _PERCENTILES.fullmatch(text) or not 0 < found[0][0] < found[1][0] < 100:
        raise Mistake(f"{text!r}: write two percentiles, as p50=1.2s,p95=2.8s")
    (low, low_s), (high, high_s) = found
    if not 0 < low_s < high_s:
        raise Mistake(f"{text!r}: the higher percentile has to be the longer time, and both above 0")
    normal = statistics.NormalDist()
    low_z, high_z = normal.inv_cdf(low / 100), normal.inv_cdf(high / 100)
    sigma = math.log(high_s / low_s) / (high_z - low_z)
    return low_s * math.exp(-sigma * low_z), sigma


def _sigma(text: str, whole: str) -> float:
    try:
        sigma = float(text)
    except ValueError:
        sigma = -1.0
    if not 0 < sigma < 10:
        raise Mistake(f"{whole!r}: sigma is a number above 0 and below 10")
    return sigma
