"""Repeated measurements of one thing, and how two of them compare."""

from __future__ import annotations

import statistics

import msgspec


class Series(msgspec.Struct, frozen=True):
    """What one system gave for one quantity, one sample a round, in the order of the rounds."""

    system: str
    quantity: str
    unit: str
    samples: tuple[float, ...]

    @property
    def median(self) -> float:
        """The middle sample: the figure that counts."""
        return statistics.median(self.samples)

    @property
    def low(self) -> float:
        """The smallest sample."""
        return min(self.samples)

    @property
    def high(self) -> float:
        """The largest sample."""
        return max(self.samples)


def ratio(ours: Series, theirs: Series) -> Series:
    """Ours over theirs, round by round.

    Samples of one round are neighbours in time, so what disturbed the machine then disturbed both; the median of such
    ratios moves less from run to run than the ratio of two medians.
    """
    pairs = zip(ours.samples, theirs.samples, strict=True)
    return Series(f"{ours.system} / {theirs.system}", ours.quantity, "x", tuple(a / b for a, b in pairs))


def slope(points: dict[int, float]) -> float:
    """How much the value grows with each step of the key: the least-squares line through the points."""
    return statistics.linear_regression(list(points), list(points.values())).slope
