"""Recorded trials as what a forecast starts from."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec

from ..blocks import Kind
from ..mistake import Mistake
from ..recorder import Record, read
from ..sample import LAYOUT, Outcome, Sample
from ..schedule import Closed
from ..trial import Summary, summarise
from .demand import Times
from .given import Given

_NS = 1e9
_BORNE = 0.95  # successes of what was offered


def from_records(paths: Sequence[Path]) -> Given:
    """All of them together; times from the one with the fewest requests inside, where nobody is in the way.

    CPU is from there, and from the one with the most answers a second that was borne: refusals cost CPU too.

    Raises Mistake.
    """
    records = [read(path) for path in paths]
    told = [(record, summarise(record)) for record in records]
    for record, summary in told:
        if not summary.outcomes["success"]:
            raise Mistake(f"{record.path}: no request succeeded, nothing can be forecast from it")
    quietest, summary = min(told, key=lambda pair: _inside(pair[1]))
    samples = _successes(quietest)
    server = summary.server
    rates = [each.answered_per_s for _, each in told]
    return Given(
        origin=f"{len(samples):,} requests of {quietest.path.name}"
        + (f", the quietest of {len(told)} records" if len(told) > 1 else ""),
        times=Times.of([sample.service_ns / _NS for sample in samples]),
        count=len(samples),
        cpu_s=server.cpu_per_success_s if server else None,
        busy_cpu_s=_busy_cpu_s([each for _, each in told], summary),
        rates_per_s=(min(rates), max(rates)),
        response_bytes=sum(sample.received_bytes for sample in samples) / len(samples),
        completion_tokens=sum(sample.tokens for sample in samples) / len(samples),
        memory_bytes=max((each.server.pss_bytes for _, each in told if each.server), default=0),
        inside=_inside(summary),
        points=tuple(sorted(_points(told))),
        doubts=tuple(f"{record.path.name} is void: {void}" for record, each in told for void in each.voids)
        + tuple(f"{record.path.name} is partial: {each.reason}" for record, each in told if not each.complete),
    )


def _successes(record: Record) -> list[Sample]:
    begin_ns = int(record.header.span.warm_up_s * _NS)
    payloads = (block.payload for block in record.blocks() if block.kind == Kind.SAMPLES)
    samples = (Sample._make(fields) for payload in payloads for fields in LAYOUT.iter_unpack(payload))
    return [each for each in samples if each.outcome == Outcome.SUCCESS and each.intended_ns >= begin_ns]


def _inside(summary: Summary) -> float:
    return summary.answered_per_s * summary.service.mean_s if summary.service else 0.0


def _busy_cpu_s(told: Sequence[Summary], quietest: Summary) -> float | None:
    borne = [each for each in told if each.outcomes["success"] >= _BORNE * each.offered and not each.voids]
    busiest = max(borne, key=lambda each: each.answered_per_s, default=quietest)
    if busiest is quietest or busiest.server is None:
        return None
    return busiest.server.cpu_per_success_s


def _points(told: Sequence[tuple[Record, Summary]]) -> list[tuple[float, float]]:
    loads = ((record.header.load, summary) for record, summary in told)
    return [
        (float(load.users), summary.answered_per_s)
        for load, summary in loads
        if isinstance(load, Closed) and not load.think.mean_s
    ]


def merged(given: Given, **told: object) -> Given:
    """What was told beside it wins over what was measured; None is nothing told."""
    return msgspec.structs.replace(given, **{key: value for key, value in told.items() if value is not None})
