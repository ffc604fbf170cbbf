"""The answer: what an instance takes, how many are needed, on which machines, and what stands in the way."""

from __future__ import annotations

import datetime
import math
from collections.abc import Mapping, Sequence

import msgspec

from . import azure, fleet
from .azure import Ceiling, Sku
from .demand import Demand
from .fleet import Autoscaled, Hour, Safety
from .given import Given
from .instance import Shape
from .simulation import Balancer
from .slo import Forecast, Reach, Slo, forecast, reach
from .together import Together, together
from .traffic import Traffic
from .usl import Usl

_SKU_REQUESTS = 6_000
_MEMORY_FREE = 0.8  # of a machine's memory, for the server; the rest is the system's


class Question(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked."""

    given: Given
    demand: Demand
    shape: Shape
    slo: Slo
    safety: Safety
    per_s: float | None = None  # the target; None: that of the traffic, if there is any
    traffic: Traffic | None = None
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
    whole: Together
    each: Forecast  # an instance at its share
    after_loss: Together | None  # with the spare gone; None: there is none


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
    busiest_second_per_s: float | None  # None: nobody knows
    rises_per_s: float  # within the time that scaling out takes
    hours: Sequence[Hour]
    autoscaled: Autoscaled | None  # None: no rate keeps the promise


class Models(msgspec.Struct, frozen=True):
    """What the models behind the flow have to allow."""

    tokens_per_minute: float
    prompt_per_minute: float | None  # of them; None: not known apart
    completion_per_minute: float | None
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
    mean_s = mean_s or min(question.demand.mean_s, question.shape.deadline_s)
    rule = _rule(question, per_s)
    needed = _fleet(question, reached, per_s) if per_s and reached.is_reached else None
    size = question.given.response_bytes + question.request_bytes
    models = _models(question.given, per_s or reached.per_s.value)
    return Plan(
        question=question,
        reach=reached,
        rule=rule,
        fleet=needed,
        day=_day(question, question.traffic, reached) if question.traffic else None,
        fits=[_fit(question, machine, per_s, today) for machine in question.skus],
        ceilings=azure.ceilings(mean_s, size, new_connections=question.stream),
        models=models,
        doubts=[*_warnings(question, models, needed), *question.doubts, *_extrapolations(question, reached)],
    )


def _target(question: Question) -> float | None:
    if question.per_s is not None or not question.traffic:
        return question.per_s
    return question.traffic.most_per_s


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
    each = forecast(question.demand, question.shape, per_s / count, seed=question.seed)
    peak = question.traffic.peak if question.traffic and question.per_s is None else None

    def of(instances: int) -> Together:
        return together(
            question.demand,
            question.shape,
            question.slo,
            per_s,
            instances,
            balancer=question.balancer,
            peak=peak,
            seed=question.seed,
        )

    return Fleet(per_s, count, of(count), each, of(count - lost) if 0 < lost < count else None)


def _day(question: Question, traffic: Traffic, reached: Reach) -> Day:
    safety, each_per_s = question.safety, reached.per_s.value
    return Day(
        traffic.requests,
        traffic.lasts_s,
        traffic.most_per_s,
        traffic.second_per_s,
        fleet.steepest(traffic.minutes, question.lag_s),
        fleet.hours(traffic.minutes, safety, each_per_s, question.lag_s) if each_per_s else (),
        fleet.autoscaled(traffic.minutes, safety, each_per_s, question.lag_s) if each_per_s else None,
    )


def _fit(question: Question, machine: Sku, per_s: float | None, today: datetime.date) -> Fit:
    """With as many workers as cores, and slots and places in proportion."""
    warnings = azure.warnings(machine)
    if machine.retires is not None and machine.retires <= today:
        return Fit(machine, 0.0, None, None, None, "unknown", ["is retired"])
    speed = _speed(question, machine)
    if speed is None:
        return Fit(machine, 0.0, None, None, None, _memory(question, machine), warnings)
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
        if count > azure.MOST_INSTANCES:
            warnings.append(f"more than the {azure.MOST_INSTANCES} instances of a deployment")
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


def _speed(question: Question, machine: Sku) -> float | None:
    """A core of it beside one that was measured on; None: nobody knows."""
    measured_on = question.measured_on
    if machine == measured_on:
        return 1.0
    if measured_on is None or machine.speed is None:
        return machine.speed
    return machine.speed / measured_on.speed if measured_on.speed else None


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
    is_apart = not given.tokens
    tokens = given.prompt_tokens + given.completion_tokens if is_apart else given.tokens
    if not tokens and not given.calls:
        return None
    minutely = per_s * 60
    return Models(
        minutely * tokens,
        minutely * given.prompt_tokens if is_apart else None,
        minutely * given.completion_tokens if is_apart else None,
        minutely * (given.calls or 1.0),
    )


def _extrapolations(question: Question, reached: Reach) -> list[str]:
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
    return found


def _warnings(question: Question, models: Models | None, needed: Fleet | None) -> list[str]:
    """What would go wrong as it is planned."""
    found = []
    if needed and not needed.whole.is_kept:
        found.append("these instances BREAK the promise: requests come in bursts. Raise --headroom or --at-least")
    elif needed and needed.after_loss and not needed.after_loss.is_kept:
        found.append("with the spare lost the promise is BROKEN: raise --headroom or --at-least")
    second_per_s = question.traffic.second_per_s if question.traffic and question.per_s is None else None
    if second_per_s and second_per_s > azure.MOST_REQUESTS_PER_S:
        found.append(
            f"in the busiest second {second_per_s:.0f} requests come: a managed endpoint refuses what exceeds "
            f"{azure.MOST_REQUESTS_PER_S} requests/s"
        )
    if needed and needed.instances < azure.LEAST_INSTANCES:
        found.append(f"fewer than {azure.LEAST_INSTANCES} instances are not highly available, as Azure has it")
    if question.measured_on and question.measured_on.speed is None and question.is_elsewhere:
        found.append(f"{question.measured_on.name} has no published speed, so nothing is said of other machines")
    if math.isfinite(question.shape.deadline_s) and question.shape.deadline_s * 1e3 > azure.LONGEST_TIMEOUT_MS:
        found.append(f"a managed endpoint ends every request after {azure.LONGEST_TIMEOUT_MS // 1000} s")
    if models and models.prompt_per_minute == 0 and models.completion_per_minute:
        found.append("tokens of prompts are not known, and the quota of the models has to allow them: --prompt-tokens")
    return found
