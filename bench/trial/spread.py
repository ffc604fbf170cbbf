"""A distribution of times, as reports show it."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from ..histogram import Histogram

PERCENTS = (50, 75, 90, 95, 99, 99.9)
_NS = 1_000_000_000


class Spread(msgspec.Struct, frozen=True):
    """A distribution, in seconds."""

    count: int
    mean_s: float
    percentiles_s: Mapping[str, float]  # "50" ... "99.9"
    max_s: float

    @classmethod
    def of(cls, histogram: Histogram) -> Spread | None:
        """None if nothing was counted."""
        if not histogram.counts:
            return None
        percentiles = {f"{percent:g}": histogram.percentile(percent) / _NS for percent in PERCENTS}
        return cls(len(histogram), histogram.mean / _NS, percentiles, histogram.maximum / _NS)
