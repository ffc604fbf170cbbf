"""A page about recorded trials."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ..durations import written
from ..schedule import Closed
from ..trial import Summary
from ..trial.page import Table, parts
from ..trial.spread import Spread
from ..trial.stretches import stretches
from .document import Axes, Document, Line, Part, Plot, Section, WhatIf

MOST_PLOTTED = 12  # trials; of further ones the page has the tables
_IS = ("are", "is")
_SHARES = ("success", "refused", "failed")
MOST_POINTS = 300  # of a line: a trial may last for days
VARIES = 1.2  # the rate within a trial: from there on latency is drawn over it


def document(named: Sequence[tuple[str, Summary]]) -> Document:
    """The page about trials, each with its name."""
    summaries = [summary for _, summary in named]
    is_one = len(named) == 1
    together = [] if is_one else [Section("All trials", [_table(named), *_over_rate(summaries), _percentiles(named)])]
    model = what_if(summaries)
    return Document(
        title=f"Trial {named[0][0]}" if is_one else f"{len(named)} trials",
        summary=_words(summaries[0]) if is_one else _words_of_all(summaries),
        warnings=[
            warning if is_one else f"{name}: {warning}" for name, summary in named for warning in _warnings(summary)
        ],
        sections=[
            *together,
            *(Section(name, _trial(name, summary, number)) for number, (name, summary) in enumerate(named)),
            *([Section("What if", [model])] if model else []),
        ],
    )


def _words_of_all(summaries: Sequence[Summary]) -> list[str]:
    """However many there are: what each was is in the table that follows."""
    rates = _from_to([each.offered_per_s for each in summaries], "{:,.1f}".format)
    shares = [each.outcomes["success"] / each.offered for each in summaries if each.offered]
    found = [
        f"{len(summaries)} trials, {rates} requests/s offered: "
        + (f"{_from_to(shares, '{:.2%}'.format)} success." if shares else "no request was measured.")
    ]
    found += _times_of_all([each.latency["success"] for each in summaries if "success" in each.latency])
    not_whole = {
        "VOID": sum(bool(each.voids) for each in summaries),
        "partial": sum(not each.complete for each in summaries),
    }
    return found + [f"{count} of them {_IS[count == 1]} {what}." for what, count in not_whole.items() if count]


def _times_of_all(known: Sequence[Spread]) -> list[str]:
    if not known:
        return []
    half, most = ([spread.percentiles_s[percent] for spread in known] for percent in ("50", "99"))
    return [
        f"Of the successes of a trial half took up to {_from_to(half, written)}, 99 % up to {_from_to(most, written)}, "
        "counted from the time at which each was meant to begin."
    ]


def _from_to(figures: Sequence[float], text: Callable[[float], str]) -> str:
    least, most = text(min(figures)), text(max(figures))
    return least if least == most else f"{least} to {most}"


def _table(named: Sequence[tuple[str, Summary]]) -> Table:
    heads = ("trial", "offered", "answered", *_SHARES, "p50", "p95", "p99", "")
    return Table("One by one", heads, [_row(name, summary) for name, summary in named])


def _row(name: str, summary: Summary) -> tuple[str, ...]:
    success = summary.latency.get("success")
    lost = summary.offered - summary.outcomes["success"] - summary.outcomes["refused"]
    counts = (summary.outcomes["success"], summary.outcomes["refused"], lost)
    return (
        name,
        f"{summary.offered_per_s:,.1f}/s",
        f"{summary.answered_per_s:,.1f}/s",
        *(f"{count / summary.offered:.2%}" if summary.offered else "" for count in counts),
        *(written(success.percentiles_s[percent]) if success else "" for percent in ("50", "95", "99")),
        "VOID" if summary.voids else "" if summary.complete else "partial",
    )


def _words(summary: Summary) -> list[str]:
    if not summary.offered:
        return ["no request was measured."]
    asked = f"{summary.offered_per_s:,.1f} requests/s were offered for {written(summary.measured_s)}"
    shares = ", ".join(
        f"{count / summary.offered:.2%} {outcome.replace('_', ' ')}"
        for outcome, count in summary.outcomes.items()
        if count
    )
    begin = "VOID. " if summary.voids else "" if summary.complete else "Partial. "
    found = [f"{begin}{asked}: {shares}."]
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
    if len(summary.seconds) < 2:
        return []
    points = stretches(summary.seconds, MOST_POINTS)
    at = [each.at_s for each in points]
    rates = [
        Line("offered", at, [each.offered for each in points]),
        Line("success", at, [each.succeeded for each in points]),
        Line("refused", at, [each.refused for each in points]),
        Line("failed", at, [each.offered - each.succeeded - each.refused for each in points]),
    ]
    rates = [line for line in rates if any(line.ys) or line.name == "success"]
    known = [
        (each.at_s, each.p50_s, each.p99_s) for each in points if each.p50_s is not None and each.p99_s is not None
    ]
    xs = [x for x, _, _ in known]
    times = [Line("p50", xs, [p50 * 1e3 for _, p50, _ in known]), Line("p99", xs, [p99 * 1e3 for _, _, p99 in known])]
    offered = [second.offered for second in summary.seconds]
    told = f"Requests by the second in which they were meant to begin, {min(offered):,} to {max(offered):,} offered; "
    if not known:
        return [Plot("Over time", f"{told}none succeeded.", [Axes("seconds", "requests/s", rates)])]
    told += f"the p99 of successes lies between {min(times[1].ys):,.3g} and {max(times[1].ys):,.3g} ms."
    if len(points) < len(summary.seconds):
        told += f" Each point is {at[1]:.0f} seconds: their mean rate, and the worst p99 among them."
    axes = [Axes("", "requests/s", rates), Axes("seconds", "latency, ms", times)]
    return [Plot("Over time", told, axes)]


def _percentiles(named: Sequence[tuple[str, Summary]]) -> Plot:
    lines = [
        Line(
            name if len(named) > 1 else outcome.replace("_", " "),
            [point.percent for point in curve],
            [point.seconds * 1e3 for point in curve],
        )
        for name, summary in named[:MOST_PLOTTED]
        for outcome, curve in summary.curves.items()
        if curve and (len(named) == 1 or outcome == "success")
    ]
    told = [
        f"{name + ': ' if len(named) > 1 else ''}half of the successes within {written(spread.percentiles_s['50'])}, "
        f"99 % within {written(spread.percentiles_s['99'])}"
        for name, summary in named[:MOST_PLOTTED]
        if (spread := summary.latency.get("success"))
    ]
    axes = Axes("percent of the requests", "latency up to, ms", lines, nines=True, logarithmic=True)
    return Plot("Percentiles", f"How many took no longer than that: {'; '.join(told) or 'none succeeded'}.", [axes])


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
    least, most = seconds[0].offered, seconds[-1].offered
    seconds = seconds[:: -(-len(seconds) // MOST_POINTS)]
    xs = [float(second.offered) for second in seconds]
    rates = [
        Line("success", xs, [float(second.succeeded) for second in seconds]),
        Line("refused", xs, [float(second.refused) for second in seconds]),
    ]
    times = [
        Line("p50", xs, [(second.p50_s or 0.0) * 1e3 for second in seconds]),
        Line("p99", xs, [(second.p99_s or 0.0) * 1e3 for second in seconds]),
    ]
    told = f"Each dot is a second of the trial, with {least:,} to {most:,} requests offered in it."
    axes = [
        Axes("", "requests/s", [line for line in rates if any(line.ys)], dots=True, joined=False),
        Axes("requests/s offered", "latency, ms", times, dots=True, joined=False),
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
