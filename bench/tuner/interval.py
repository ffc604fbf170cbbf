"""How far repeats leave a mean open."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence

# Student's t, 97.5 %, by degrees of freedom.
_T = (math.inf, 12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228)
_NORMAL = 1.96
NOISE = 0.05  # taken as the spread of one trial until three repeats tell


def interval(samples: Sequence[float]) -> tuple[float, float]:
    """95 % for the mean, on the scale of ratios. With fewer than three samples the spread is :data:`NOISE`."""
    logs = [math.log(max(sample, 1e-9)) for sample in samples]
    middle, count = statistics.fmean(logs), len(logs)
    if count < 3:
        half = _NORMAL * NOISE / math.sqrt(count)
    else:
        factor = _T[count - 1] if count <= len(_T) else _NORMAL
        half = factor * statistics.stdev(logs) / math.sqrt(count)
    return math.exp(middle - half), math.exp(middle + half)
