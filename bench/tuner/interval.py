"""How far repeats leave a mean open."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Sequence

# Student's t, 97.5 %, by degrees of freedom.
_T = (math.inf, 12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228)
_NORMAL = 1.96
NOISE = 0.05  # taken as the spread of one trial until three repeats tell


def interval(samples: Sequence[float], noise: float = NOISE) -> tuple[float, float]:
    """95 % for the mean, on the scale of ratios. With fewer than three samples the spread is ``noise``."""
    logs = [math.log(max(sample, 1e-9)) for sample in samples]
    middle, count = statistics.fmean(logs), len(logs)
    if count < 3:
        half = _NORMAL * noise / math.sqrt(count)
    else:
        factor = _T[count - 1] if count <= len(_T) else _NORMAL
        half = factor * statistics.stdev(logs) / math.sqrt(count)
    return math.exp(middle - half), math.exp(middle + half)


def noise(repeated: Iterable[Sequence[float]]) -> float:
    """What a trial that was not repeated may be off by: :data:`NOISE`, or what those that were show, if it is more."""
    spreads = [statistics.stdev([math.log(max(each, 1e-9)) for each in row]) for row in repeated if len(row) >= 3]
    return max([NOISE, *spreads])
