"""A plan for a reader: what it says in words first, then the figures."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence

from ..durations import written
from ..trial.page import Lines, Table
from . import azure, queueing
from .fleet import Autoscaled
from .plan import Fit, Plan
from .slo import Estimate, Forecast
from .usl import Parameter, Usl

_Head = Callable[[str], str]
_Table = Callable[[Sequence[str], Iterable[Sequence[str]]], str]


def text(plan: Plan) -> str:
    """For a terminal."""
    return _page(plan, lambda title: f"\n{title}\n{'-' * len(title)}\n", _plain)


def markdown(plan: Plan) -> str:
    """For a document."""
    return _page(plan, lambda title: f"\n## {title}\n\n", _piped)


def summary(plan: Plan) -> list[str]:
    """The answer in sentences."""
    question, reached = plan.question, plan.reach
    if not reached.is_reached:
        at = reached.at
        return [
            f"NO RATE KEEPS THE PROMISE: {question.slo}.",
            f"Nearest: even at {_rate(at.per_s)} an instance has p95 {_span(at.p95_s)}, p99 {_span(at.p99_s)} and "
            f"{at.refusal_rate.value:.2%} without an answer. More instances change nothing; a faster flow, "
            "or another promise, does.",
        ]
    found = [
        f"One instance takes {_rate(reached.per_s.value)} ({_figure(reached.per_s.low)} to "
        f"{_figure(reached.per_s.high)}) with {question.slo}. It is bound by {reached.bound_by}."
    ]
    if plan.fleet:
        found += _fleet_sentences(plan)
    return found


def _fleet_sentences(plan: Plan) -> list[str]:
    needed, rule = plan.fleet, plan.rule
    assert needed is not None
    spare, whole = plan.question.safety.spare.value, needed.whole
    found = [
        f"{_rate(needed.per_s)} need {needed.instances} instances: {plan.question.safety.headroom:.0%} headroom, "
        f"spare: {spare}, at least {plan.question.safety.least}. Together they would give p95 {_span(whole.p95_s)}, "
        f"p99 {_span(whole.p99_s)}, {_share(whole.refusal_rate)} without an answer.",
        f"Azure's one line, ceil(rate x p95 / 0.7 / {rule.concurrent}), says {rule.instances}: "
        f"{_figure(rule.each_per_s)} requests/s for each.",
    ]
    if needed.after_loss is not None:
        lost = needed.after_loss
        found.append(
            f"With the {spare} lost p95 would be {_span(lost.p95_s)}, {_share(lost.refusal_rate)} without an answer: "
            f"the promise is {'still kept' if lost.is_kept else 'BROKEN'}."
        )
    first = plan.ceilings[0]
    if needed.per_s > first.per_s:
        found.append(
            f"ONE MANAGED ENDPOINT DOES NOT TAKE IT: {first.name} bind first, at {_rate(first.per_s)}. "
            "Ask for more, or spread over endpoints."
        )
    if needed.instances > azure.MOST_INSTANCES:
        found.append(f"A managed deployment has {azure.MOST_INSTANCES} instances at most, unless more are granted.")
    return found


def sections(plan: Plan) -> list[tuple[str, list[Lines | Table]]]:
    """What stands below the summary and the doubts, part by part."""
    question = plan.question
    found: list[tuple[str, list[Lines | Table]]] = [("What it rests on", [_basis(plan)])]
    if question.usl:
        found.append((f"Scalability over {question.usl_over}", _usl(question.usl)))
    rows = [("an instance at its limit", plan.reach.at)]
    rows += [("an instance in the fleet", plan.fleet.each)] if plan.fleet else []
    simulated = Table("Simulated", _FORECAST, [_forecast(name, at) for name, at in rows])
    found.append(("Forecast", [simulated, _closed(plan)]))
    if plan.day:
        found.append(("The day", _day(plan)))
    if plan.fits:
        found.append(("Machines", [Table("What would do it", _MACHINES, [_fit(fit) for fit in plan.fits])]))
    limits = [(ceiling.name, _figure(ceiling.per_s)) for ceiling in plan.ceilings]
    found.append(("Limits of one managed endpoint", [Table("First binds first", ("limit", "requests/s"), limits)]))
    if plan.models:
        found.append(("Models", [_models(plan)]))
    return found


def _page(plan: Plan, head: _Head, table: _Table) -> str:
    parts = ["\n".join(summary(plan)), "\n"]
    if plan.doubts:
        parts += [head("Keep in mind"), *(f"* {doubt}\n" for doubt in plan.doubts)]
    for title, told in sections(plan):
        parts.append(head(title))
        parts += [
            table(part.heads, part.rows) if isinstance(part, Table) else "".join(f"{line}\n" for line in part.lines)
            for part in told
        ]
    return "".join(parts)


def _basis(plan: Plan) -> Lines:
    question = plan.question
    given, demand, shape = question.given, question.demand, question.shape
    times = given.times
    lines = [
        f"{given.origin}: mean {written(times.mean_s)}, p50 {written(times.percentile(50))}, "
        f"p95 {written(times.percentile(95))}, p99 {written(times.percentile(99))}",
        f"a request: {written(demand.cpu_s)} of CPU, {written(demand.held_s)} on a slot",
        f"an instance: {question.workers} workers x {question.threads} threads = {shape.slots} slots, "
        f"{shape.cores:g} cores, {shape.places} places"
        + (f", timeout {written(shape.deadline_s)}" if math.isfinite(shape.deadline_s) else ""),
        "arrivals: " + ("as in the busiest minute" if _is_traced(plan) else "Poisson")
        + f"; balancer: {question.balancer.value}; intervals of 95 %: other arrivals, another measurement",
    ]  # fmt: skip
    if plan.fleet and plan.fleet.whole.simulated < plan.fleet.instances:
        lines.append(
            f"of the fleet {plan.fleet.whole.simulated} instances are simulated, with their share of Poisson arrivals"
        )
    return Lines("Times and shape", lines)


def _is_traced(plan: Plan) -> bool:
    traffic = plan.question.traffic
    return traffic is not None and traffic.peak is not None and plan.question.per_s is None


_FORECAST = ("", "requests/s", "p50", "p95", "p99", "no answer", "inside", "cores")


def _forecast(name: str, at: Forecast) -> tuple[str, ...]:
    return (
        name, _figure(at.per_s), _span(at.p50_s), _span(at.p95_s), _span(at.p99_s), _share(at.refusal_rate),
        _figure(at.inside), f"{at.cores:.2f}",
    )  # fmt: skip


def _closed(plan: Plan) -> Lines:
    """What formulas say of the same: no shared cores, no deadline, nothing but Poisson arrivals."""
    demand, shape, per_s = plan.question.demand, plan.question.shape, plan.reach.at.per_s
    if not demand.held_s:
        lost = queueing.erlang_b(shape.places, per_s * demand.mean_s)
        return Lines(
            "By closed form", [f"M/G/{shape.places}/{shape.places} (Erlang B): {lost:.2%} refused at the limit"]
        )
    servers = min(shape.slots, shape.places)
    load = per_s * demand.held_s
    wait_s = queueing.wait_mgc(servers, load, demand.held.variation2) * demand.held_s
    refused, bounded = queueing.bounded(servers, load, shape.places)
    endless = f"mean wait {written(wait_s)}" if math.isfinite(wait_s) else "no end of waiting"
    return Lines(
        "By closed form",
        [
            f"M/G/{servers} at the limit, a line without end, times that vary as measured: {endless}",
            f"M/M/{servers}/{shape.places}, bounded at the places, exponential times: {refused:.2%} refused, "
            f"mean wait {written(bounded * demand.held_s)}",
        ],
    )


def _usl(usl: Usl) -> list[Lines | Table]:
    def row(name: str, parameter: Parameter) -> tuple[str, ...]:
        return name, f"{parameter.value:.4g}", f"{parameter.low:.4g}", f"{parameter.high:.4g}"

    rows = [row("rate at 1", usl.rate), row("contention", usl.contention), row("coherency", usl.coherency)]
    low, high = usl.range
    peak = f"peak at {usl.peak_n:.3g}" + ("" if usl.is_measured(usl.peak_n) else ", EXTRAPOLATED")
    lines = [
        f"fitted on {low:g} to {high:g}; R2 {usl.r2:.4f}; " + (peak if math.isfinite(usl.peak_n) else "no peak"),
        "residuals: " + ", ".join(f"{residual:+.3g}" for residual in usl.residuals),
    ]
    return [Table("Universal scalability law", ("", "value", "low", "high"), rows), Lines("How well it fits", lines)]


def _day(plan: Plan) -> list[Lines | Table]:
    day = plan.day
    assert day is not None
    rows = [(f"{hour.begin_s / 3600:.0f} h", _figure(hour.peak_per_s), str(hour.instances)) for hour in day.hours]
    lines = [
        f"{day.requests:,} requests in {written(day.lasted_s)}; busiest minute {_rate(day.busiest_minute_per_s)}"
        + (f", busiest second {_rate(day.busiest_second_per_s)}" if day.busiest_second_per_s else ""),
        f"within the {written(plan.question.lag_s)} that scaling out takes the rate rises by up to "
        f"{_rate(day.rises_per_s)}: instances that run already must take that",
    ]
    if day.hours:
        used, always = sum(hour.instances for hour in day.hours), max(hour.instances for hour in day.hours)
        lines.append(f"by a schedule {used} instance hours, for the peak all the time {always * len(day.hours)}")
    if day.autoscaled:
        lines.append(_autoscaled(day.autoscaled))
    hours = [Table("Hour by hour", ("from", "peak of its minutes /s", "instances"), rows)] if rows else []
    return [Lines("The whole trace", lines), *hours]


def _autoscaled(found: Autoscaled) -> str:
    """An autoscaler on the rate alone, and what makes it do."""
    takes = f"takes {found.instance_hours:.0f} instance hours"
    if not found.short_minutes:
        return f"an autoscaler on the rate is never short, and {takes}"
    return (
        f"an autoscaler on the rate is short in {found.short_minutes} minutes; with never fewer than {found.floor} "
        f"instances it is not, and {takes}"
    )


_MACHINES = (
    "machine",
    "cores",
    "GiB",
    "speed of a core",
    "requests/s each",
    "instances",
    "quota (cores)",
    "per hour",
    "memory",
    "mind",
)


def _fit(fit: Fit) -> tuple[str, ...]:
    machine = fit.sku
    return (
        machine.name, str(machine.cores), f"{machine.memory_gib:g}", f"{machine.speed:.2f}" if machine.speed else "-",
        _figure(fit.each_per_s) if fit.each_per_s else "-", _or_dash(fit.instances), _or_dash(fit.quota),
        "-" if fit.per_hour is None else f"{fit.per_hour:.2f}", fit.memory, "; ".join(fit.warnings),
    )  # fmt: skip


def _models(plan: Plan) -> Lines:
    models = plan.models
    assert models is not None
    rate = plan.fleet.per_s if plan.fleet else plan.question.per_s or plan.reach.per_s.value
    apart = ""
    if models.prompt_per_minute is not None and models.completion_per_minute is not None:
        apart = f" ({models.prompt_per_minute:,.0f} of prompts, {models.completion_per_minute:,.0f} of answers)"
    room = 1 - plan.question.safety.headroom
    told = [
        f"At {_rate(rate)} the models behind the flow have to allow {models.tokens_per_minute:,.0f} tokens{apart} and "
        f"{models.requests_per_minute:,.0f} requests a minute; with the headroom of the instances "
        f"{models.tokens_per_minute / room:,.0f} tokens and {models.requests_per_minute / room:,.0f} requests.",
        "Azure OpenAI reserves max_tokens of a call when it comes, not what is answered, and may look at each second.",
    ]
    return Lines("Quota of the models", told)


def _plain(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    table = [tuple(heads), *(tuple(row) for row in rows)]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    lines = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in table)
    return "".join(f"{line}\n" for line in lines)


def _piped(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [heads, ["---"] * len(heads), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _span(estimate: Estimate) -> str:
    if not math.isfinite(estimate.value):
        return "never"
    return f"{written(estimate.value)} ({written(estimate.low)} to {written(estimate.high)})"


def _share(estimate: Estimate) -> str:
    return f"{estimate.value:.2%} ({estimate.low:.2%} to {min(1.0, estimate.high):.2%})"


def _rate(per_s: float) -> str:
    return f"{_figure(per_s)} requests/s"


def _figure(figure: float) -> str:
    return f"{figure:,.0f}" if figure >= 1000 else f"{figure:.3g}"


def _or_dash(count: int | None) -> str:
    return "-" if count is None else f"{count:,}"
