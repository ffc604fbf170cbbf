"""A page about what is to be deployed."""

from __future__ import annotations

from ..capacity import page
from ..capacity.plan import Plan
from ..capacity.slo import Forecast, forecast
from ..durations import written
from .document import Axes, Document, Line, Part, Plot, Section, WhatIf

_SHARES = (0.2, 0.4, 0.6, 0.8, 0.9, 1.0, 1.1, 1.25)  # of what an instance takes
_REQUESTS = 6_000


def document(plan: Plan) -> Document:
    """The answer as a page: words first, the curve of an instance, every table, sliders."""
    curve = [Section("An instance over its rate", [_curve(plan)])] if plan.reach.is_reached else []
    told = [Section(title, parts) for title, parts in page.sections(plan)]
    return Document(
        title="Capacity",
        summary=page.summary(plan),
        warnings=list(plan.doubts),
        sections=[*curve, *told, Section("What if", [what_if(plan)])],
    )


def what_if(plan: Plan) -> WhatIf:
    """The sliders at first: the plan's own rate, times and shape."""
    question, shape = plan.question, plan.question.shape
    holds = question.demand.held_s > 0
    needed = plan.fleet
    return WhatIf(
        title="Instances, slots and waiting",
        rate_per_s=needed.per_s if needed else plan.reach.at.per_s,
        service_s=question.demand.held_s if holds else question.demand.mean_s,
        slots=min(shape.slots, shape.places) if holds else shape.places,
        bound=shape.places,
        cpu_s=question.demand.cpu_s,
        cores=max(1, round(shape.cores)),
        origin=f"the rate, the instances and the times of this plan ({question.given.origin})"
        + ("" if holds else "; a request holds no slot, so its place counts as one"),
        instances=needed.instances if needed else 1,
    )


def _curve(plan: Plan) -> Part:
    most = plan.reach.per_s.value
    at = [_at(plan, share * most) for share in _SHARES]
    xs = [each.per_s for each in at]
    times = [
        Line("p50", xs, [each.p50_s.value * 1e3 for each in at]),
        Line("p95", xs, [each.p95_s.value * 1e3 for each in at]),
        Line("p99", xs, [each.p99_s.value * 1e3 for each in at]),
        Line("promise", [xs[0], xs[-1]], [plan.question.slo.limit_s * 1e3] * 2),
    ]
    rates = [
        Line("answered", xs, [each.answered_per_s.value for each in at]),
        Line("no answer", xs, [each.per_s - each.answered_per_s.value for each in at]),
    ]
    told = (
        f"Simulated, Poisson arrivals: at {most:.3g} requests/s, the most that keeps the promise, half are answered "
        f"within {written(at[5].p50_s.value)} and 95 % within {written(at[5].p95_s.value)}; "
        f"at {xs[-1]:.3g} {at[-1].refusal_rate.value:.1%} get no answer."
    )
    axes = [Axes("", "requests/s", rates, dots=True), Axes("requests/s offered", "latency, ms", times, dots=True)]
    return Plot("Throughput and latency", told, axes)


def _at(plan: Plan, per_s: float) -> Forecast:
    question = plan.question
    return forecast(question.demand, question.shape, per_s, seed=question.seed, requests=_REQUESTS)
