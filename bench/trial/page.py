"""A summary as text or Markdown: the same titles, lines and tables, set in two ways."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import msgspec

from ..cgroup import Throttling
from ..durations import written
from ..recorder import Header
from ..sample import Cause
from ..schedule import Closed, Load, Open, Segment, Span
from .spread import PERCENTS, Spread
from .stretches import stretches
from .summary import Summary

SPARKS = "▁▂▃▄▅▆▇█"
SPARKS_WIDE = 60
EXCERPTS = 5
SEGMENTS = 24


class Table(msgspec.Struct, frozen=True):
    """Rows under heads; the first column names the row."""

    title: str
    heads: Sequence[str]
    rows: Sequence[Sequence[str]]


class Lines(msgspec.Struct, frozen=True):
    """Sentences."""

    title: str
    lines: Sequence[str]


Part = Table | Lines


def text(summary: Summary) -> str:
    """For a terminal."""
    return _page(summary, _text_table, lambda title: title, "  ")


def markdown(summary: Summary) -> str:
    """For a document or a pull request."""
    return _page(summary, markdown_table, lambda title: f"### {title}", "- ")


def sparks(figures: Sequence[float]) -> str:
    """One block a figure, the tallest for the largest."""
    top = max(figures, default=0)
    return "".join(SPARKS[round(figure / top * (len(SPARKS) - 1))] if top else SPARKS[0] for figure in figures)


def _page(summary: Summary, table: Callable[[Table], str], title: Callable[[str], str], bullet: str) -> str:
    blocks = []
    for part in parts(summary):
        body = table(part) if isinstance(part, Table) else "\n".join(f"{bullet}{line}" for line in part.lines)
        blocks.append(f"{title(part.title)}\n{'' if bullet == '  ' else chr(10)}{body}")
    return "\n\n".join(blocks) + "\n"


def parts(summary: Summary) -> Iterable[Part]:
    """Everything that a trial has to say."""
    yield Lines(_verdict(summary), [*summary.voids, *([] if summary.complete else [summary.reason]), *summary.doubts])
    yield Lines("Asked", _asked(summary))
    yield Table("Outcome", ("", "requests", "share"), _outcomes(summary))
    yield _latencies(summary)
    if summary.events:
        yield Lines("Streams", _streams(summary))
    if summary.excerpts:
        excerpts = summary.excerpts[:EXCERPTS]
        yield Lines("What was answered", [f"{status}: {' '.join(told.split())}" for status, told in excerpts])
    if len(summary.seconds) > 1:
        yield Lines("By the second", _by_second(summary))
    if summary.server is not None:
        yield Lines("Server", _server(summary))
    yield Lines("Generator", _generator(summary))
    yield Lines("Machine", [f"{name}: {fact}" for name, fact in summary.header.machine.items()])


def _verdict(summary: Summary) -> str:
    if summary.voids:
        return "VOID: these figures must not be believed"
    return "Trial" if summary.complete else "PARTIAL trial"


def _asked(summary: Summary) -> list[str]:
    header = summary.header
    lines = [
        f"{header.method} {header.target}",
        f"{_load(header.load)}, {_span(header.span, summary.measured_s)}, seed {header.seed}",
        f"{header.bodies} {'body' if header.bodies == 1 else 'bodies'} (sha256 {header.bodies_sha256[:12]}), timeout "
        f"{written(header.timeout_s)}, at most {header.connections:,} connections and {header.max_in_flight:,} "
        "requests in flight",
        f"headers: {', '.join(header.headers) or 'none of its own'}; {_manner(header)}",
    ]
    return [*lines, *([" ".join(header.system)] if header.system else [])]


def _manner(header: Header) -> str:
    told = [
        "a connection for every request" if header.closes else "connections are kept",
        f"Retry-After obeyed up to {header.retries} times" if header.retries else "Retry-After not obeyed",
        f"{header.processes} generator{'' if header.processes == 1 else 's'}",
    ]
    return "; ".join(told + ([] if header.verifies_tls else ["any certificate accepted"]))


def _load(load: Load) -> str:
    if isinstance(load, Open):
        return f"open loop, {_rates(load.shape.segments)} requests/s, {load.spacing.value} spacing"
    if isinstance(load, Closed):
        thinks = (
            f"thinking {written(load.think.mean_s)} ({load.think.kind.value})" if load.think.mean_s else "no thinking"
        )
        return f"closed loop, {load.users} users, {thinks}"
    return f"replay of {len(load.offsets_s):,} requests"


def _rates(segments: Sequence[Segment]) -> str:
    """As --rate writes them."""
    if len(segments) == 1:
        return _rate(segments[0])
    shown = [f"{_rate(segment)}x{segment.lasts_s:g}s" for segment in segments[:SEGMENTS]]
    return ",".join(shown) + (f" and {len(segments) - SEGMENTS} more" if len(segments) > SEGMENTS else "")


def _rate(segment: Segment) -> str:
    low, high = segment.from_per_s, segment.to_per_s
    return f"{low:g}" if low == high else f"{low:g}..{high:g}"


def _span(span: Span, measured_s: float) -> str:
    length = f"{span.count:,} requests" if span.count is not None else written(measured_s)
    return f"{length} after {written(span.warm_up_s)} of warm-up" if span.warm_up_s else length


def _outcomes(summary: Summary) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = [("offered", f"{summary.offered:,}", f"{summary.offered_per_s:,.1f}/s")]
    for outcome, count in summary.outcomes.items():
        if count or outcome == "success":
            share = f"{count / summary.offered:.2%}" if summary.offered else ""
            rows.append((outcome.replace("_", " "), f"{count:,}", share))
    rows.append(("answered with success", "", f"{summary.answered_per_s:,.1f}/s"))
    rows += [(f"status {status}", f"{count:,}", "") for status, count in summary.statuses.items()]
    rows += [(Cause[cause.upper()].sentence, f"{count:,}", "") for cause, count in summary.causes.items()]
    if summary.retries:
        rows.append(("of these, after a Retry-After", f"{summary.retries:,}", ""))
    if summary.warm_up:
        rows.append(("warm-up, in no other figure", f"{sum(summary.warm_up.values()):,}", ""))
    return rows


def _latencies(summary: Summary) -> Table:
    heads = ("", "mean", *(f"p{percent:g}" for percent in PERCENTS), "max")
    named = [
        (f"{outcome.replace('_', ' ')}, from the intended start", each) for outcome, each in summary.latency.items()
    ]
    named += [("success, from the real start", summary.service)] if summary.service else []
    named += [("  in the queue, as the server tells", summary.queue)] if summary.queue else []
    named += [("  running, as the server tells", summary.run)] if summary.run else []
    named += [("  reply: the rest of it", summary.reply)] if summary.reply else []
    named += [("first byte, from the real start", summary.first_byte)] if summary.first_byte else []
    named += [("first event, from the real start", summary.first_event)] if summary.first_event else []
    named += [("between events", summary.gaps)] if summary.gaps else []
    return Table("Latency", heads, [(name, *_spread(spread)) for name, spread in named])


def _spread(spread: Spread) -> list[str]:
    return [written(figure) for figure in (spread.mean_s, *spread.percentiles_s.values(), spread.max_s)]


def _streams(summary: Summary) -> list[str]:
    per_s = summary.tokens / summary.measured_s if summary.measured_s else 0.0
    return [f"{summary.events:,} events, {summary.tokens:,} tokens, {per_s:,.1f} tokens/s"]


def _by_second(summary: Summary) -> list[str]:
    """A block stands for several seconds where there are many: their mean, and the worst p99."""
    shown = stretches(summary.seconds, SPARKS_WIDE)
    succeeded = [second.succeeded for second in summary.seconds]
    lines = [f"successes {sparks([each.succeeded for each in shown])}  {min(succeeded):,} to {max(succeeded):,}"]
    if known := [second.p99_s for second in summary.seconds if second.p99_s is not None]:
        slowest = [each.p99_s or 0.0 for each in shown]
        lines.append(f"p99       {sparks(slowest)}  {written(min(known))} to {written(max(known))}")
    return lines


def _server(summary: Summary) -> list[str]:
    use = summary.server
    assert use is not None
    per_request = f", {written(use.cpu_per_success_s)} of CPU per success" if use.cpu_per_success_s is not None else ""
    return [
        f"{use.cores:.2f} cores{per_request}; {use.pss_bytes / 1e6:,.0f} MB PSS",
        f"context switches: {use.voluntary_per_s:,.0f}/s voluntary, {use.involuntary_per_s:,.0f}/s involuntary",
        f"processes that ended: {use.ended}",
        f"throttled by its cgroup: {_throttling(use.throttling)}",
    ]


def _throttling(found: Throttling | None) -> str:
    if found is None:
        return "cannot be seen here"
    return f"in {found.periods:,} periods, for {written(found.lasted_s)}" if found.periods else "never"


def _generator(summary: Summary) -> list[str]:
    lines = [
        f"process {index}: {use.cores:.2f} cores, at most {use.most_open:,} connections open"
        for index, use in enumerate(summary.generators)
    ]
    lines.append(f"recorder: {summary.recorder_cores:.2f} cores")
    if summary.lateness:
        late = summary.lateness
        lines.append(f"late by {written(late.percentiles_s['99'])} at p99, {written(late.max_s)} at most")
    return lines


def _text_table(table: Table) -> str:
    rows = [tuple(table.heads), *table.rows]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join("  " + "  ".join(_cells(row, widths)).rstrip() for row in rows)


def _cells(row: Sequence[str], widths: Sequence[int]) -> list[str]:
    first, *others = zip(row, widths, strict=True)
    return [first[0].ljust(first[1]), *(cell.rjust(width) for cell, width in others)]


def markdown_table(table: Table) -> str:
    """A table in Markdown."""
    rule = ("---", *("---:" for _ in table.heads[1:]))
    return "\n".join(f"| {' | '.join(row)} |" for row in (table.heads, rule, *table.rows))
