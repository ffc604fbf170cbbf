"""The answer: what an instance takes, how many are needed, on which machines, and what stands in the way."""

from __future__ import annotations

import datetime
import math
from collections.abc import Mapping, Sequence

import msgspec

from . import azure, fleet
from .azure import Ceiling, Sku
from .demand import Demand
from .fleet import Hour, Safety
from .given import Given
from .instance import Shape
from .simulation import Balancer, poisson, simulate
from .slo import Forecast, Reach, Slo, forecast, reach
from .usl import Usl

_FLEET_REQUESTS = 60_000
_SKU_REQUESTS = 6_000
_MEMORY_FREE = 0.8  # of a machine's memory, for the server; the rest is the system's


class Question(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked."""

    given: Given
    demand: Demand
    shape: Shape
    slo: Slo
    safety: Safety
    per_s: float | None = None  # the target; None: that of the arrivals, if there are any
    arrivals_s: Sequence[float] = ()
    lag_s: float = azure.SCALE_OUT_S[1]
    balancer: Balancer = Balancer.LEAST
    workers: int = 1
    threads: int = 1
    measured_on: Sku | None = None
    skus: Sequence[Sku] = ()
    prices: Mapping[str, float] = {}
    stream: bool = False
    request_bytes: float = 0.0
    usl: Usl | None = None
    usl_over: str = "users"
    doubts: Sequence[str] = ()
    seed: int = 0

    @property
    def is_elsewhere(self) -> bool:
        """Whether machines are asked for on which nothing was measured."""
        return any(machine != self.measured_on for machine in self.skus)


class Rule(msgspec.Struct, frozen=True):
    """Azure's one line, beside the forecast."""

    latency_s: float  # the p95 of a request alone
    concurrent: int
    each_per_s: float
    instances: int | None


class Fleet(msgspec.Struct, frozen=True):
    """How many, and what they would give: simulated together behind a balancer."""

    per_s: float
    instances: int
    p95_s: float
    p99_s: float
    refusal_rate: float
    each: Forecast  # an instance at its share
    after_loss: bool | None  # whether the promise is still kept with the spare gone; None: there is none


class Fit(msgspec.Struct, frozen=True):
    """A machine for the job."""

    sku: Sku
    each_per_s: float  # at the promise
    instances: int | None
    quota: int | None
    per_hour: float | None  # in the currency of the prices
    memory: str  # "fits", "too small", or "unknown"
    warnings: Sequence[str]


class Day(msgspec.Struct, frozen=True):
    """A trace, hour by hour, and what autoscaling would save and cannot do."""

    requests: int
    lasted_s: float
    busiest_minute_per_s: float
    busiest_second_per_s: float
    rises_per_s: float  # within the time that scaling out takes
    hours: Sequence[Hour]


class Models(msgspec.Struct, frozen=True):
    """What the models behind the flow have to allow."""

    tokens_per_minute: float
    requests_per_minute: float


class Plan(msgspec.Struct, frozen=True):
    """Everything that is answered."""

    question: Question
    reach: Reach
    rule: Rule
    fleet: Fleet | None
    day: Day | None
    fits: Sequence[Fit]
    ceilings: Sequence[Ceiling]
    models: Models | None
    doubts: Sequence[str]


def plan(question: Question, today: datetime.date) -> Plan:
    """Work it out: some seconds of simulation. Raises Mistake if it cannot be."""
    reached = reach(question.demand, question.shape, question.slo, seed=question.seed)
    per_s = _target(question)
    mean_s = reached.at.inside / reached.at.per_s  # Little's law: what a request holds a connection for
    rule = _rule(question, per_s)
    needed = _fleet(question, reached, per_s) if per_s and reached.is_reached else None
    size = question.given.response_bytes + question.request_bytes
    return Plan(
        question=question,
        reach=reached,
        rule=rule,
        fleet=needed,
        day=_day(question, reached) if question.arrivals_s else None,
        fits=[_fit(question, machine, per_s, today) for machine in question.skus],
        ceilings=azure.ceilings(mean_s, size, new_connections=question.stream),
        models=_models(question.given, per_s or reached.per_s.value),
        doubts=[*question.doubts, *_extrapolations(question, reached, needed)],
    )


def _target(question: Question) -> float | None:
    if question.per_s is not None or not question.arrivals_s:
        return question.per_s
    return max(fleet.rates(question.arrivals_s, fleet.MINUTE_S))


def _rule(question: Question, per_s: float | None) -> Rule:
    latency_s = question.given.times.percentile(95)
    concurrent = azure.concurrency(
        question.shape.slots, question.shape.places, blocking=question.demand.held_s > 0, latency_s=latency_s
    )
    instances = azure.formula(per_s, latency_s, concurrent) if per_s else None
    return Rule(latency_s, concurrent, azure.formula_per_s(latency_s, concurrent), instances)


def _fleet(question: Question, reached: Reach, per_s: float) -> Fleet:
    count = question.safety.instances(per_s, reached.per_s.value)
    spare = {fleet.Spare.INSTANCE: 1, fleet.Spare.ZONE: math.ceil(count / question.safety.zones)}
    lost = spare.get(question.safety.spare, 0)

    def together(instances: int) -> tuple[float, float, float, bool]:
        arrivals_s = _arrivals(question, per_s)
        found = simulate(
            question.demand,
            question.shape,
            arrivals_s,
            instances=instances,
            balancer=question.balancer,
            seed=question.seed,
        )
        return found.percentile(95), found.percentile(99), found.refusal_rate, question.slo.is_kept(found)

    p95_s, p99_s, refusal_rate, _ = together(count)
    return Fleet(
        per_s,
        count,
        p95_s,
        p99_s,
        refusal_rate,
        forecast(question.demand, question.shape, per_s / count, seed=question.seed),
        together(count - lost)[3] if 0 < lost < count else None,
    )


def _arrivals(question: Question, per_s: float) -> list[float]:
    """The busiest part of the trace, or Poisson arrivals at the target."""
    if question.arrivals_s and question.per_s is None:
        return fleet.busiest(question.arrivals_s, _FLEET_REQUESTS)
    return poisson(per_s, _FLEET_REQUESTS, question.seed)


def _day(question: Question, reached: Reach) -> Day:
    arrivals_s = question.arrivals_s
    each_per_s = reached.per_s.value
    return Day(
        len(arrivals_s),
        arrivals_s[-1],
        max(fleet.rates(arrivals_s, fleet.MINUTE_S)),
        max(fleet.rates(arrivals_s, 1.0)),
        fleet.steepest(arrivals_s, question.lag_s),
        fleet.hours(arrivals_s, question.safety, each_per_s, question.lag_s) if each_per_s else (),
    )


def _fit(question: Question, machine: Sku, per_s: float | None, today: datetime.date) -> Fit:
    """With as many workers as cores, and slots and places in proportion."""
    warnings = azure.warnings(machine)
    gone = machine.retires is not None and machine.retires <= today
    if machine.speed is None or gone:
        return Fit(machine, 0.0, None, None, None, "unknown", ["is retired"] if gone else warnings)
    speed = machine.speed / (question.measured_on.speed or 1.0) if question.measured_on else machine.speed
    share = machine.cores / question.workers
    shape = Shape(
        max(1, round(question.shape.slots * share)),
        _useful_cores(question, machine.cores),
        max(1, round(question.shape.places * share)),
        question.shape.deadline_s,
    )
    found = reach(
        question.demand.on_faster(speed), shape, question.slo, seed=question.seed, requests=_SKU_REQUESTS, repeats=1
    )
    count = None
    if per_s and found.is_reached:
        count = question.safety.instances(per_s, found.per_s.value)
    price = question.prices.get(machine.name)
    return Fit(
        machine,
        found.per_s.value,
        count,
        azure.quota(count, machine.cores) if count else None,
        count * price if count and price is not None else None,
        _memory(question, machine),
        warnings,
    )


def _useful_cores(question: Question, cores: int) -> float:
    """What so many workers are worth: by the law, if it was fitted over workers; else all of them."""
    if question.usl is None or question.usl_over != "workers":
        return float(cores)
    return question.usl.at(cores) / question.usl.at(1)


def _memory(question: Question, machine: Sku) -> str:
    if not question.given.memory_bytes:
        return "unknown"
    need_gib = question.given.memory_bytes * machine.cores / question.workers / 2**30
    return "fits" if need_gib <= machine.memory_gib * _MEMORY_FREE else "too small"


def _models(given: Given, per_s: float) -> Models | None:
    tokens = given.prompt_tokens + given.completion_tokens
    if not tokens and not given.calls:
        return None
    return Models(per_s * 60 * tokens, per_s * 60 * (given.calls or 1.0))


def _extrapolations(question: Question, reached: Reach, needed: Fleet | None) -> list[str]:
    """What goes beyond what was measured."""
    found = []
    measured = question.given.rates_per_s
    if question.given.count == 0:
        found.append("nothing was measured: the times were told, and the forecast is as good as they are")
    elif measured and reached.per_s.value > measured[1] * 1.01:
        found.append(
            f"EXTRAPOLATED: an instance was measured at {measured[0]:.3g} to {measured[1]:.3g} requests/s, the "
            f"forecast says {reached.per_s.value:.3g}. Check it with one run at that rate"
        )
    if question.is_elsewhere:
        found.append("EXTRAPOLATED: other machines are scaled by published CoreMark scores, the slowest host of each")
    if question.usl and question.usl_over == "workers":
        beyond = [machine.name for machine in question.skus if not question.usl.is_measured(machine.cores)]
        if beyond:
            low, high = question.usl.range
            found.append(
                f"EXTRAPOLATED: the law was fitted on {low:g} to {high:g} workers, beyond: {', '.join(beyond)}"
            )
    elif question.skus:
        found.append("EXTRAPOLATED: more workers are taken to bring as much each. Give --points over workers")
    if needed and needed.after_loss is False:
        found.append("with the spare lost the promise is broken: raise --headroom or --at-least")
    return found
