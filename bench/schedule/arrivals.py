"""The times of an open load."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator

from .load import Open, Spacing, Span, Trace


def arrivals(load: Open | Trace, span: Span, seed: int) -> Iterator[float]:
    """When requests are meant to begin, in seconds since the trial's zero, ascending.

    The first ``warm_up_s`` of a trace are its own; before a shape comes a time at its first rate.
    """
    return _until_enough(_endless(load, span, seed), span)


def _endless(load: Open | Trace, span: Span, seed: int) -> Iterator[float]:
    if isinstance(load, Trace):
        return iter(load.offsets_s)
    counts = itertools.count() if load.spacing is Spacing.CONSTANT else poisson_counts(seed)
    return load.shape.after(span.warm_up_s).times(counts)


def poisson_counts(seed: int) -> Iterator[float]:
    """The points of a Poisson process of rate 1."""
    return itertools.accumulate(map(random.Random(seed).expovariate, itertools.repeat(1.0)))


def _until_enough(times: Iterator[float], span: Span) -> Iterator[float]:
    left = span.count
    end_s = span.end_s
    for time_s in times:
        if left == 0 or (end_s is not None and time_s >= end_s):
            return
        if left is not None and time_s >= span.warm_up_s:
            left -= 1
        yield time_s
