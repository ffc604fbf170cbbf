"""Records made by hand, and what they tell."""

from __future__ import annotations

from pathlib import Path

from bench.blocks import Kind
from bench.recorder import End, Header, Writer, read
from bench.recorder.header import FORMAT
from bench.sample import LAYOUT, Cause, Outcome, Sample
from bench.schedule import Load, Open, Segment, Shape, Spacing, Span
from bench.trial import Summary, summarise

MS = 1_000_000
WHOLE = End(complete=True)
OPEN = Open(Shape((Segment(10, 100, 100),)), Spacing.POISSON)


def header(load: Load = OPEN, span: Span | None = None) -> Header:
    return Header(
        format=FORMAT,
        target="http://127.0.0.1:8080/score",
        method="POST",
        load=load,
        span=span or Span(warm_up_s=1, measured_s=10),
        seed=7,
        processes=1,
        connections=64,
        max_in_flight=100,
        timeout_s=60,
        retries=1,
        headers=[],
        bodies=2,
        bodies_sha256="ab" * 32,
        closes=False,
        machine={"date": "2026-11-25", "processor": "2 x a processor"},
    )


def sample(at_ms: float, latency_ms: float = 5, waits_ms: float = 1, **fields: int) -> Sample:
    """A success; it waits for a connection before it is sent."""
    intended, sent, end = (round(time * MS) for time in (at_ms, at_ms + waits_ms, at_ms + latency_ms))
    made = Sample(intended, sent, end - MS, end, 0, 20_000, 10, 0, 0, 200, Outcome.SUCCESS, Cause.NONE, 0)
    return made._replace(**fields)


def told_by(
    path: Path, samples: list[Sample], *blocks: tuple[Kind, bytes], end: End | None = WHOLE, **kwargs: object
) -> Summary:
    """Writes a record and tells what it says."""
    path.unlink(missing_ok=True)
    writer = Writer(path)
    writer.start(header(**kwargs))  # type: ignore[arg-type]
    for kind, payload in blocks:
        writer.block(kind, 0, payload)
    writer.block(Kind.SAMPLES, 0, b"".join(LAYOUT.pack(*each) for each in samples))
    if end:
        writer.finish(end)
    return summarise(read(path))
