"""Requests upon instances behind a balancer: percentiles, refusals, timeouts."""

from __future__ import annotations

import enum
import heapq
import itertools
import math
import random
from collections.abc import Iterator, Sequence

import msgspec

from ..schedule.arrivals import poisson_counts
from .demand import Demand, percentile
from .instance import Instance, Shape

_END_S = 1e15
WARM_UP = 0.1  # of the requests, in no figure: the instance begins empty


class Balancer(enum.Enum):
    """Who gets the next request."""

    RANDOM = "random"
    ROUND_ROBIN = "round-robin"
    LEAST = "least-connections"


class Result(msgspec.Struct, frozen=True):
    """What came of the requests that count."""

    latencies_s: Sequence[float]  # of successes, ascending
    offered: int
    refused: int
    timed_out: int
    lasted_s: float  # of their arrivals

    def percentile(self, percent: float) -> float:
        """In seconds; infinite if nothing succeeded."""
        return percentile(self.latencies_s, percent)

    @property
    def mean_s(self) -> float:
        """Of successes; infinite if there was none."""
        return math.fsum(self.latencies_s) / len(self.latencies_s) if self.latencies_s else math.inf

    @property
    def refusal_rate(self) -> float:
        """The share that got no answer of the flow: refused or timed out."""
        return (self.refused + self.timed_out) / self.offered if self.offered else 0.0

    @property
    def per_s(self) -> float:
        """Successes per second."""
        return len(self.latencies_s) / self.lasted_s if self.lasted_s else 0.0

    @property
    def inside(self) -> float:
        """Requests inside at a time, on average: Little's law."""
        return math.fsum(self.latencies_s) / self.lasted_s if self.lasted_s else 0.0


def poisson(rate_per_s: float, count: int, seed: int) -> list[float]:
    """So many arrivals. The same seed at another rate gives the same ones, nearer or farther apart."""
    return [at / rate_per_s for at in itertools.islice(poisson_counts(seed), count)]


def simulate(
    demand: Demand,
    shape: Shape,
    arrivals_s: Sequence[float],
    *,
    instances: int = 1,
    balancer: Balancer = Balancer.LEAST,
    seed: int = 0,
    begin_s: float | None = None,
) -> Result:
    """Send ``arrivals_s``, ascending, to so many instances of one kind.

    Who comes before ``begin_s`` is in no figure; None: the first :data:`WARM_UP`.
    """
    if not arrivals_s:
        return Result((), 0, 0, 0, 0.0)
    if begin_s is None:
        begin_s = arrivals_s[int(len(arrivals_s) * WARM_UP)]
    fleet = [Instance(shape, demand, begin_s) for _ in range(instances)]
    dice = random.Random(f"service {seed}")  # apart from the seed of the arrivals: the two must not go together
    draws = zip(*(phase.times.draws(dice) for phase in demand.phases), strict=True)
    if instances == 1:
        _one(fleet[0], arrivals_s, draws)
    elif balancer is Balancer.LEAST:
        _least(fleet, arrivals_s, draws)
    else:
        _blind(fleet, arrivals_s, draws, _choices(balancer, instances, dice))
    for instance in fleet:
        instance.advance(_END_S)
    latencies_s = sorted(itertools.chain.from_iterable(instance.latencies_s for instance in fleet))
    return Result(
        latencies_s,
        sum(instance.offered for instance in fleet),
        sum(instance.refused for instance in fleet),
        sum(instance.timed_out for instance in fleet),
        arrivals_s[-1] - begin_s,
    )


def _one(instance: Instance, arrivals_s: Sequence[float], draws: Iterator[tuple[float, ...]]) -> None:
    for now_s in arrivals_s:
        if instance.next_s <= now_s:
            instance.advance(now_s)
        instance.offer(now_s, next(draws))


def _choices(balancer: Balancer, instances: int, dice: random.Random) -> Iterator[int]:
    if balancer is Balancer.ROUND_ROBIN:
        return itertools.cycle(range(instances))
    return iter(lambda: dice.randrange(instances), None)


def _blind(
    fleet: Sequence[Instance], arrivals_s: Sequence[float], draws: Iterator[tuple[float, ...]], choices: Iterator[int]
) -> None:
    """Whoever is next gets it, whatever its state: nothing of the others has to be known."""
    for now_s in arrivals_s:
        instance = fleet[next(choices)]
        if instance.next_s <= now_s:
            instance.advance(now_s)
        instance.offer(now_s, next(draws))


def _least(fleet: Sequence[Instance], arrivals_s: Sequence[float], draws: Iterator[tuple[float, ...]]) -> None:
    """The one with the fewest inside gets it, the next in turn among equals."""
    inside = [0] * len(fleet)
    due: list[tuple[float, int]] = []
    turn = 0
    for now_s in arrivals_s:
        while due and due[0][0] <= now_s:
            at_s, index = heapq.heappop(due)
            instance = fleet[index]
            if at_s == instance.next_s:  # else it was looked at meanwhile, and stands here again
                instance.advance(now_s)
                inside[index] = instance.inside
                heapq.heappush(due, (instance.next_s, index))
        fewest = min(inside)
        try:
            index = inside.index(fewest, turn)
        except ValueError:
            index = inside.index(fewest)
        turn = (index + 1) % len(fleet)
        instance = fleet[index]
        before_s = instance.next_s
        instance.offer(now_s, next(draws))
        inside[index] = instance.inside
        if instance.next_s != before_s:
            heapq.heappush(due, (instance.next_s, index))
