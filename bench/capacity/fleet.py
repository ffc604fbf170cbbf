"""How many instances: a rate or a day, headroom, what may fail, and the time that more of them take to come."""

from __future__ import annotations

import bisect
import enum
import math
from collections.abc import Sequence

import msgspec

MINUTE_S = 60.0


class Spare(enum.Enum):
    """What may be lost while the rest still keeps the promise."""

    NONE = "none"
    INSTANCE = "instance"
    ZONE = "zone"


class Safety(msgspec.Struct, frozen=True):
    """What is added to the bare need."""

    headroom: float  # the share of an instance's capacity that is left free
    spare: Spare
    zones: int
    least: int

    def instances(self, per_s: float, each_per_s: float) -> int:
        """For a rate, an instance taking ``each_per_s``."""
        bare = max(1, math.ceil(per_s / (each_per_s * (1 - self.headroom)) - 1e-9))
        return max(self.least, self._with_spare(bare))

    def _with_spare(self, bare: int) -> int:
        if self.spare is Spare.INSTANCE:
            return bare + 1
        if self.spare is Spare.ZONE:
            return math.ceil(bare / (self.zones - 1)) * self.zones
        return bare


class Hour(msgspec.Struct, frozen=True):
    """One hour of a trace."""

    begin_s: float
    peak_per_s: float  # of its busiest minute, and of the time that scaling out takes after it
    instances: int


def rates(arrivals_s: Sequence[float], window_s: float) -> list[float]:
    """Requests per second, window by window. A trace that is shorter than a window is one."""
    if not arrivals_s:
        return []
    window_s = min(window_s, max(arrivals_s[-1], 1e-9))
    counts = [0] * (int(arrivals_s[-1] / window_s - 1e-9) + 1)
    for at_s in arrivals_s:
        counts[min(int(at_s / window_s), len(counts) - 1)] += 1
    return [count / window_s for count in counts]


def hours(arrivals_s: Sequence[float], safety: Safety, each_per_s: float, lag_s: float) -> list[Hour]:
    """What has to run in each hour, if instances are asked for ``lag_s`` before they serve."""
    minutes = rates(arrivals_s, MINUTE_S)
    ahead = math.ceil(lag_s / MINUTE_S)
    found = []
    for begin in range(0, len(minutes), 60):
        peak = max(minutes[begin : begin + 60 + ahead])
        found.append(Hour(begin * MINUTE_S, peak, safety.instances(peak, each_per_s)))
    return found


def steepest(arrivals_s: Sequence[float], lag_s: float) -> float:
    """The largest rise of the rate within ``lag_s``: what nothing but instances that run already can take."""
    minutes = rates(arrivals_s, MINUTE_S)
    ahead = math.ceil(lag_s / MINUTE_S)
    return max((max(minutes[at : at + ahead + 1]) - rate for at, rate in enumerate(minutes)), default=0.0)


def busiest(arrivals_s: Sequence[float], requests: int) -> list[float]:
    """The part of a trace, of about so many requests, that ends with its busiest minute, from 0 on."""
    minutes = rates(arrivals_s, MINUTE_S)
    end_s = (max(range(len(minutes)), key=minutes.__getitem__) + 1) * MINUTE_S
    end = bisect.bisect_right(arrivals_s, end_s)
    part = arrivals_s[max(0, end - requests) : end]
    return [at_s - part[0] for at_s in part]
