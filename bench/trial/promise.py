"""What is promised to the users of a server, and whether a trial kept it."""

from __future__ import annotations

import re
from collections.abc import Iterator

import msgspec

from ..blocks import Kind
from ..durations import seconds
from ..mistake import Mistake
from ..recorder import Record
from ..sample import LAYOUT, Outcome, Sample

_NS = 1_000_000_000


class Promise(msgspec.Struct, frozen=True):
    """Of all requests ``percent`` are answered well within ``limit_s``. Who is refused or fails was not."""

    text: str  # as it was given
    percent: float
    limit_s: float

    @classmethod
    def parse(cls, text: str) -> Promise:
        """``p95<2s``. Raises Mistake."""
        found = re.fullmatch(r"p(\d+(?:\.\d+)?)\s*<=?\s*(\S+)", text.strip())
        if not found or not 0 < float(found[1]) < 100:
            raise Mistake(f"--slo {text}: write p95<2s")
        return cls(text, float(found[1]), seconds(found[2]))


class Keeping(msgspec.Struct, frozen=True):
    """How a trial kept a promise."""

    promise: Promise
    asked: int
    kept: int

    @property
    def is_kept(self) -> bool:
        """Nothing asked is nothing kept."""
        return self.asked > 0 and 100 * self.kept >= self.promise.percent * self.asked

    def __str__(self) -> str:
        share = 100 * self.kept / self.asked if self.asked else 0.0
        return f"{self.promise.text}: {'kept' if self.is_kept else 'BROKEN'}, {share:.4g} % of {self.asked:,} requests"


def keeping(record: Record, promise: Promise) -> Keeping:
    """From the intended start of a request to its good answer, repeats included; the warm-up does not count."""
    asked = kept = 0
    for sample in _measured(record):
        asked += not sample.attempt
        kept += sample.outcome == Outcome.SUCCESS and sample.latency_ns <= promise.limit_s * _NS
    return Keeping(promise, asked, kept)


def _measured(record: Record) -> Iterator[Sample]:
    begin_ns = int(record.header.span.warm_up_s * _NS)
    for block in record.blocks():
        if block.kind == Kind.SAMPLES:
            samples = map(Sample._make, LAYOUT.iter_unpack(block.payload))
            yield from (sample for sample in samples if sample.intended_ns >= begin_ns)
