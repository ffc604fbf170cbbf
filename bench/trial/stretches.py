"""A long trial in few points: its seconds brought together, so that a line of any length can be drawn."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

import msgspec

from .summary import Second


class Stretch(msgspec.Struct, frozen=True):
    """Seconds in a row. Counts are of one second on average."""

    at_s: float  # its begin, since the first
    offered: float
    succeeded: float
    refused: float
    p50_s: float | None  # the median one of its seconds
    p99_s: float | None  # the worst one


def stretches(seconds: Sequence[Second], most: int) -> Sequence[Stretch]:
    """At most so many, each of as many seconds as the others but for the last."""
    size = -(-len(seconds) // most) or 1
    return [_stretch(at, seconds[at : at + size]) for at in range(0, len(seconds), size)]


def _stretch(at: int, part: Sequence[Second]) -> Stretch:
    halves = [second.p50_s for second in part if second.p50_s is not None]
    worst = [second.p99_s for second in part if second.p99_s is not None]
    return Stretch(
        at_s=float(at),
        offered=statistics.fmean(second.offered for second in part),
        succeeded=statistics.fmean(second.succeeded for second in part),
        refused=statistics.fmean(second.refused for second in part),
        p50_s=statistics.median(halves) if halves else None,
        p99_s=max(worst, default=None),
    )
