"""The highest rate at which a goal is reached, by few loads.

Up or down in growing strides until it is between two, then halving.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

STEP = 1.25
PRECISION = 1.06  # the lowest rate that missed over the highest that did not
MOST_LOADS = 14


class Load(msgspec.Struct, frozen=True):
    """One load and whether it reached the goal."""

    rate_per_s: float
    reached: bool


def bracket(loads: Sequence[Load]) -> tuple[float | None, float | None]:
    """The highest rate that reached the goal, and the lowest above it that did not."""
    low = max((load.rate_per_s for load in loads if load.reached), default=None)
    high = min((load.rate_per_s for load in loads if not load.reached and load.rate_per_s > (low or 0.0)), default=None)
    return low, high


def next_rate(loads: Sequence[Load], first_per_s: float, least_per_s: float) -> float | None:
    """The rate to load next; None: it is found, or there is none.

    What misses the goal at ``least_per_s``, where requests hardly meet, misses it at any rate.
    """
    if not loads:
        return first_per_s
    low, high = bracket(loads)
    if len(loads) >= MOST_LOADS:
        return None
    if low is None:
        assert high is not None
        lower = high / STEP ** len(loads)  # far off is far off
        return max(lower, least_per_s) if high > least_per_s else None
    if high is None:
        return low * STEP ** len(loads)
    return (low * high) ** 0.5 if high / low > PRECISION else None


def goodput(loads: Sequence[Load]) -> float:
    """The middle of what is left between the two rates; 0 if no load reached the goal."""
    low, high = bracket(loads)
    if low is None:
        return 0.0
    return low if high is None else (low * high) ** 0.5
