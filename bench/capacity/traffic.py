"""When requests come: the rate of each minute, and single arrivals where they are known."""

from __future__ import annotations

import bisect
import math
from collections.abc import Sequence

import msgspec

MINUTE_S = 60.0
SECOND_S = 1.0
_BEFORE_S = 600.0
_MOST = 120_000  # arrivals that are kept


class Peak(msgspec.Struct, frozen=True):
    """The busiest minute, and what came before it, so that a simulation need not begin empty."""

    arrivals_s: Sequence[float]  # from 0 on
    begin_s: float  # of the minute


class Traffic(msgspec.Struct, frozen=True):
    """What came. At least one request did."""

    requests: int
    lasts_s: float
    minutes: Sequence[float]  # requests per second, minute by minute
    second_per_s: float | None = None  # in the busiest second; None: nobody knows
    peak: Peak | None = None  # None: single arrivals are not known

    @classmethod
    def of(cls, arrivals_s: Sequence[float]) -> Traffic:
        """Of arrivals, ascending from 0 on; at least one."""
        minutes = rates(arrivals_s, MINUTE_S)
        return cls(len(arrivals_s), arrivals_s[-1], minutes, max(rates(arrivals_s, SECOND_S)), _peak(arrivals_s))

    @classmethod
    def of_rates(cls, steps: Sequence[float], step_s: float) -> Traffic:
        """Of requests per second, step by step, each of whole minutes; at least one."""
        minutes = [rate for rate in steps for _ in range(max(1, round(step_s / MINUTE_S)))]
        return cls(round(math.fsum(minutes) * MINUTE_S), len(minutes) * MINUTE_S, minutes)

    @property
    def most_per_s(self) -> float:
        """In the busiest minute."""
        return max(self.minutes)


def rates(arrivals_s: Sequence[float], window_s: float) -> list[float]:
    """Requests per second, window by window. A trace that is shorter than a window is one, but not below a second."""
    if not arrivals_s:
        return []
    window_s = min(window_s, max(arrivals_s[-1], SECOND_S))
    counts = [0] * (int(arrivals_s[-1] / window_s - 1e-9) + 1)
    for at_s in arrivals_s:
        counts[min(int(at_s / window_s), len(counts) - 1)] += 1
    return [count / window_s for count in counts]


def _peak(arrivals_s: Sequence[float]) -> Peak:
    minutes = rates(arrivals_s, MINUTE_S)
    begin_s = max(range(len(minutes)), key=minutes.__getitem__) * MINUTE_S
    is_last = begin_s + MINUTE_S >= arrivals_s[-1]
    end = len(arrivals_s) if is_last else bisect.bisect_left(arrivals_s, begin_s + MINUTE_S)
    first = max(bisect.bisect_left(arrivals_s, begin_s - _BEFORE_S), end - _MOST)
    part = arrivals_s[first:end]
    # Of a minute with too many to keep a fifth is what came before.
    begin_s = max(begin_s, part[len(part) // 5]) if len(part) == _MOST else begin_s
    return Peak([at_s - part[0] for at_s in part], max(0.0, begin_s - part[0]))
