"""A page about recorded trials."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ..durations import written
from ..schedule import Closed
from ..trial import Summary
from ..trial.page import parts
from .document import Axes, Document, Line, Part, Plot, Section, WhatIf

MOST_PLOTTED = 12  # trials; of further ones the page has the tables
VARIES = 1.2  # the rate within a trial: from there on latency is drawn over it


def document(named: Sequence[tuple[str, Summary]]) -> Document:
    """The page about trials, each with its name."""
    summaries = [summary for _, summary in named]
    together = [Section("All trials", [*_over_rate(summaries), _percentiles(named)])] if len(named) > 1 else []
    model = what_if(summaries)
    return Document(
        title=f"{len(named)} trials" if len(named) > 1 else f"Trial {named[0][0]}",
        summary=[sentence for name, summary in named for sentence in _words(name if len(named) > 1 else "", summary)],
        warnings=[f"{name}: {warning}" for name, summary in named for warning in _warnings(summary)],
        sections=[
            *together,
            *(Section(name, _trial(name, summary, number)) for number, (name, summary) in enumerate(named)),
            *([Section("What if", [model])] if model else []),
        ],
    )


def _words(name: str, summary: Summary) -> list[str]:
    begin = f"{name}: " if name else ""
    if not summary.offered:
        return [f"{begin}no request was measured."]
    asked = f"{summary.offered_per_s:,.1f} requests/s were offered for {written(summary.measured_s)}"
    shares = ", ".join(
        f"{count / summary.offered:.2%} {outcome.replace('_', ' ')}"
        for outcome, count in summary.outcomes.items()
        if count
    )
    found = [f"{begin}{'VOID. ' if summary.voids else ''}{asked}: {shares}."]
    if success := summary.latency.get("success"):
        times = {percent: written(success.percentiles_s[percent]) for percent in ("50", "95", "99")}
        found.append(
            f"Of the successes half took up to {times['50']}, 95 % up to {times['95']}, 99 % up to {times['99']}, "
            "counted from the time at which each was meant to begin."
        )
    return found


def _warnings(summary: Summary) -> list[str]:
    partial = [] if summary.complete else [f"partial: {summary.reason}"]
    return [*(f"VOID, not to be believed: {void}" for void in summary.voids), *partial, *summary.doubts]


def _trial(name: str, summary: Summary, number: int) -> list[Part]:
    plots: list[Part] = []
    if number < MOST_PLOTTED and summary.offered:
        plots = [*_over_time(summary), _percentiles([(name, summary)])]
        plots += _within(summary) if not isinstance(summary.header.load, Closed) else []
    return [*plots, *parts(summary)]


def _over_time(summary: Summary) -> list[Part]:
    seconds = summary.seconds
    if len(seconds) < 2:
        return []
    at = [float(number) for number in range(len(seconds))]
    rates = [
        Line("offered", at, [float(second.offered) for second in seconds]),
        Line("success", at, [float(second.succeeded) for second in seconds]),
        Line("refused", at, [float(second.refused) for second in seconds]),
        Line("failed", at, [float(each.offered - each.succeeded - each.refused) for each in seconds]),
    ]
    rates = [line for line in rates if any(line.ys) or line.name == "success"]
    answered = [(x, each.p50_s, each.p99_s) for x, each in zip(at, seconds, strict=True)]
    known = [(x, p50, p99) for x, p50, p99 in answered if p50 is not None and p99 is not None]
    xs = [x for x, _, _ in known]
    times = [Line("p50", xs, [p50 * 1e3 for _, p50, _ in known]), Line("p99", xs, [p99 * 1e3 for _, _, p99 in known])]
    told = (
        f"Requests by the second in which they were meant to begin, {min(rates[0].ys):,.0f} to {max(rates[0].ys):,.0f} "
        f"offered; the p99 of successes lies between {min(times[1].ys, default=0):,.3g} and "
        f"{max(times[1].ys, default=0):,.3g} ms."
    )
    axes = [Axes("", "requests/s", rates), Axes("seconds", "latency, ms", times)]
    return [Plot("Over time", told, axes)]


def _percentiles(named: Sequence[tuple[str, Summary]]) -> Plot:
    lines = [
        Line(
            f"{name}: {outcome.replace('_', ' ')}" if len(named) > 1 else outcome.replace("_", " "),
            [point.percent for point in curve],
            [point.seconds * 1e3 for point in curve],
        )
        for name, summary in named[:MOST_PLOTTED]
        for outcome, curve in summary.curves.items()
        if curve and (len(named) == 1 or outcome == "success")
    ]
    told = "; ".join(
        f"{name}: half within {written(spread.percentiles_s['50'])}, 99 % within {written(spread.percentiles_s['99'])}"
        for name, summary in named[:MOST_PLOTTED]
        if (spread := summary.latency.get("success"))
    )
    axes = Axes("percent of the requests", "latency up to, ms", lines, nines=True, logarithmic=True)
    return Plot("Percentiles", f"How many took no longer than that. {told}.", [axes])


def _over_rate(summaries: Sequence[Summary]) -> list[Part]:
    """Trials at several rates."""
    ordered = sorted((each for each in summaries if "success" in each.latency), key=lambda each: each.offered_per_s)
    if len(ordered) < 2:
        return []
    xs = [each.offered_per_s for each in ordered]
    times = [
        Line(f"p{percent}", xs, [each.latency["success"].percentiles_s[percent] * 1e3 for each in ordered])
        for percent in ("50", "95", "99")
    ]
    rates = _rates(ordered, xs)
    told = f"Each dot is a trial, from {xs[0]:,.0f} to {xs[-1]:,.0f} requests/s offered."
    axes = [
        Axes("", "requests/s", rates, dots=True),
        Axes("requests/s offered", "latency, ms", times, dots=True, logarithmic=True),
    ]
    return [Plot("Over the offered rate", told, axes)]


def _rates(ordered: Sequence[Summary], xs: Sequence[float]) -> list[Line]:
    counts: dict[str, Callable[[Summary], int]] = {
        "success": lambda each: each.outcomes["success"],
        "refused": lambda each: each.outcomes["refused"],
        "failed": lambda each: each.offered - each.outcomes["success"] - each.outcomes["refused"],
    }
    lines = [Line(name, xs, [count(each) / each.measured_s for each in ordered]) for name, count in counts.items()]
    return [line for line in lines if any(line.ys) or line.name == "success"]


def _within(summary: Summary) -> list[Part]:
    """One trial whose rate changes: each second is a dot."""
    seconds = sorted((each for each in summary.seconds if each.p99_s is not None), key=lambda each: each.offered)
    if len(seconds) < 3 or seconds[-1].offered < VARIES * seconds[0].offered:
        return []
    xs = [float(second.offered) for second in seconds]
    rates = [
        Line("success", xs, [float(second.succeeded) for second in seconds]),
        Line("refused", xs, [float(second.refused) for second in seconds]),
    ]
    times = [
        Line("p50", xs, [(second.p50_s or 0.0) * 1e3 for second in seconds]),
        Line("p99", xs, [(second.p99_s or 0.0) * 1e3 for second in seconds]),
    ]
    told = f"Each dot is a second of the trial, with {xs[0]:,.0f} to {xs[-1]:,.0f} requests offered in it."
    axes = [
        Axes("", "requests/s", [line for line in rates if any(line.ys)], dots=True),
        Axes("requests/s offered", "latency, ms", times, dots=True),
    ]
    return [Plot("Over the offered rate", told, axes)]


def what_if(summaries: Sequence[Summary]) -> WhatIf | None:
    """The model's start: the fastest typical request as the service time, what was offered as the rate."""
    known = [each for each in summaries if each.service is not None and not each.voids]
    if not known:
        return None
    calm = min(known, key=lambda each: each.service.percentiles_s["50"] if each.service else 0.0)
    assert calm.service is not None
    service_s = calm.service.percentiles_s["50"]
    slots = max(1, round(calm.answered_per_s * service_s / 0.7))
    use = calm.server
    return WhatIf(
        title="Instances, slots and waiting",
        rate_per_s=calm.answered_per_s,
        service_s=service_s,
        slots=slots,
        bound=max(2 * slots, 10),
        cpu_s=(use.cpu_per_success_s or 0.0) if use else 0.0,
        cores=int(calm.header.machine.get("processor", "1").split(" ")[0]),
        origin=f"the median time of a request ({written(service_s)}), the rate and the CPU time were measured in the "
        "calmest trial of this page; slots are set so that they are 70 % busy",
    )
