"""The instance as JSON, for programs, and as a short table, for people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec
import orjson

from pfserve.region import Fact, Outcome
from pfserve.telemetry.look import Seen

Settings = Sequence[tuple[str, str, str, str]]  # name, value, unit, origin


def status(seen: Seen, version: str, settings: Settings) -> bytes:
    """The body of ``/status``."""
    refused = {cause.name.lower(): count for cause, count in seen.refusals.items()}
    departures = {how.name.lower(): count for how, count in seen.departures.items()}
    document = {
        "version": version,
        "state": seen.state,
        "uptime_s": round(seen.uptime_s, 3),
        "generation": seen.generation,
        "ready_after_s": round(seen.ready_after_s, 3),
        "inside": seen.inside,
        "capacity": seen.capacity,
        "line_length": seen.line_length,
        "served": _ended(seen, Outcome.OK),
        "failed": _ended(seen, Outcome.CUT, Outcome.CLIENT_ERROR, Outcome.SERVER_ERROR) - sum(refused.values()),
        "refused": refused,
        "reloads": {"ok": seen.facts[Fact.RELOADS_OK], "failed": seen.facts[Fact.RELOADS_FAILED]},
        "worker_starts": seen.starts,
        "worker_exits": departures,
        "leaders_lost": seen.facts[Fact.LEADERS_LOST],
        "monitor": {"pid": seen.facts[Fact.MONITOR_PID], "lost": seen.facts[Fact.MONITORS_LOST]},
        "generations": [msgspec.to_builtins(generation) for generation in seen.generations],
        "workers": [msgspec.to_builtins(worker) for worker in seen.workers],
        "settings": [dict(zip(("name", "value", "unit", "origin"), row, strict=True)) for row in settings],
    }
    return orjson.dumps(document, option=orjson.OPT_APPEND_NEWLINE)


def _ended(seen: Seen, *outcomes: Outcome) -> int:
    return sum(sum(durations.buckets) for durations in seen.durations if durations.outcome in outcomes)


def status_table(document: Mapping[str, object]) -> str:
    """What a person wants to see of the JSON document, in a few aligned lines."""
    known = msgspec.convert(document, _Document)
    plan = known.generations[-1].plan if known.generations else _Plan()
    lines = [
        f"pfserve {known.version}: {known.state}, up {_duration(known.uptime_s)}, generation {known.generation}",
        f"flow {_printable(plan.name) or '?'} ({plan.kind or '?'}), fingerprint {plan.fingerprint or '?'}",
        f"requests: {known.inside} of {known.capacity} inside ({known.line_length} in the line), "
        f"{known.served} served, {known.failed} failed, {sum(known.refused.values())} refused",
        f"workers started: {known.worker_starts}; ended: {_counts(known.worker_exits)}",
        f"reloads: {known.reloads['ok']} ok, {known.reloads['failed']} failed",
        "",
        *_aligned([_HEAD, *(_row(worker) for worker in known.workers)]),
    ]
    return "\n".join(lines)


_HEAD = ("seat", "pid", "generation", "state", "inside", "connections", "lane jobs", "last beat", "memory")


class _Plan(msgspec.Struct):
    name: str = ""
    kind: str = ""
    fingerprint: str = ""


class _Generation(msgspec.Struct):
    plan: _Plan


class _Worker(msgspec.Struct):
    seat: int
    pid: int
    generation: int
    state: str
    inside: int
    connections: int
    lane_jobs: int
    beat_age_s: float | None
    resident_bytes: int


class _Document(msgspec.Struct):
    version: str
    state: str
    uptime_s: float
    generation: int
    inside: int
    capacity: int
    line_length: int
    served: int
    failed: int
    refused: dict[str, int]
    reloads: dict[str, int]
    worker_starts: int
    worker_exits: dict[str, int]
    generations: list[_Generation]
    workers: list[_Worker]


def _row(worker: _Worker) -> tuple[str, ...]:
    beat = "-" if worker.beat_age_s is None else f"{worker.beat_age_s:.1f} s ago"
    counts = (
        worker.seat,
        worker.pid,
        worker.generation,
        worker.state,
        worker.inside,
        worker.connections,
        worker.lane_jobs,
    )
    return (*map(str, counts), beat, f"{worker.resident_bytes / 1e6:.0f} MB")


def _aligned(rows: Sequence[tuple[str, ...]]) -> list[str]:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]


def _printable(text: str) -> str:
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)


def _counts(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {name}" for name, count in counts.items() if count) or "none"


def _duration(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    parts = ((days, "d"), (hours, "h"), (minutes, "min"), (rest, "s"))
    told = [f"{count} {unit}" for count, unit in parts if count]
    return " ".join(told[:2]) or "0 s"
