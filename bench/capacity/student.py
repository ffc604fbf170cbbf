"""Student's t: how far a mean or a fitted parameter may lie from the truth.

Small, so that no numeric package is needed.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

CONFIDENCE = 0.95


def quantile(confidence: float, freedom: int) -> float:
    """The t that two-sided intervals of ``confidence`` reach to, with ``freedom`` >= 1 degrees of freedom."""
    low, high = 0.0, 1.0
    while _within(high, freedom) < confidence:
        high *= 2
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if _within(middle, freedom) < confidence else (low, middle)
    return high


def interval(values: Sequence[float]) -> tuple[float, float]:
    """Where the mean of the population lies, with :data:`CONFIDENCE`. Needs two values; one is its own interval."""
    mean = math.fsum(values) / len(values)
    if len(values) == 1:
        return mean, mean
    variance = math.fsum((value - mean) ** 2 for value in values) / (len(values) - 1)
    reach = quantile(CONFIDENCE, len(values) - 1) * math.sqrt(variance / len(values))
    return mean - reach, mean + reach


def _within(t: float, freedom: int) -> float:
    """The probability of a value between -t and t: Abramowitz and Stegun 26.7.3 and 26.7.4."""
    angle = math.atan(t / math.sqrt(freedom))
    cosine, sine = math.cos(angle), math.sin(angle)
    odd = freedom % 2
    term, total = (cosine, cosine) if odd and freedom > 1 else (1.0, 0.0 if odd else 1.0)
    for step in range(2 + odd, freedom - 1, 2):
        term *= cosine * cosine * (step - 1) / step
        total += term
    return 2 / math.pi * (angle + sine * total) if odd else sine * total
