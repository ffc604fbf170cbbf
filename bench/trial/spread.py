"""A distribution of times, as reports show it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

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


class Point(msgspec.Struct, frozen=True, array_like=True):
    """So many percent took no longer."""

    percent: float
    seconds: float


def curve(histogram: Histogram) -> Sequence[Point]:
    """The distribution as a line: ten points for every further nine, as far as the counts reach."""
    count = len(histogram)
    shares = (10 ** (-step / 10) for step in range(60))  # of the requests that took longer
    percents = [100 * (1 - share) for share in shares if share * count >= 1]
    return [Point(percent, histogram.percentile(percent) / _NS) for percent in percents]
