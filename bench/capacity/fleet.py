"""How many instances: a rate or a day, headroom, what may fail, and the time that more of them take to come."""

from __future__ import annotations

import enum
import math
from collections.abc import Sequence

import msgspec

from .traffic import MINUTE_S


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


class Autoscaled(msgspec.Struct, frozen=True):
    """What an autoscaler on the rate would do."""

    short_minutes: int  # in which more comes than those that run can take
    floor: int  # the fewest that must always run for that not to happen
    instance_hours: float  # with that floor


class Hour(msgspec.Struct, frozen=True):
    """One hour of a trace."""

    begin_s: float
    peak_per_s: float  # of its busiest minute, and of the time that scaling out takes after it
    instances: int


def hours(minutes: Sequence[float], safety: Safety, each_per_s: float, lag_s: float) -> list[Hour]:
    """What has to run in each hour, by the rates of its minutes.

    More are asked for when an hour begins and serve ``lag_s`` later, so those of the hour before take what comes until
    then.
    """
    ahead = math.ceil(lag_s / MINUTE_S)
    found = []
    for begin in range(0, len(minutes), 60):
        peak = max(minutes[begin : begin + 60 + ahead])
        found.append(Hour(begin * MINUTE_S, peak, safety.instances(peak, each_per_s)))
    return found


def steepest(minutes: Sequence[float], lag_s: float) -> float:
    """The largest rise of the rate within ``lag_s``: what nothing but instances that run already can take."""
    ahead = math.ceil(lag_s / MINUTE_S)
    return max((max(minutes[at : at + ahead + 1]) - rate for at, rate in enumerate(minutes)), default=0.0)


def autoscaled(minutes: Sequence[float], safety: Safety, each_per_s: float, lag_s: float) -> Autoscaled:
    """An autoscaler that, after each minute, asks for what its rate needs and gets it ``lag_s`` later.

    It begins with what the first minute needs, and gives back as slowly as it gets: one that is quicker is short
    more often.
    """
    lag = math.ceil(lag_s / MINUTE_S)
    asked = [safety.instances(rate, each_per_s) for rate in minutes]
    needed = [max(1, math.ceil(rate / each_per_s - 1e-9)) for rate in minutes]
    running = [asked[max(0, at - lag - 1)] for at in range(len(minutes))]
    short = [need for need, runs in zip(needed, running, strict=True) if need > runs]
    floor = max([safety.least, *short])
    return Autoscaled(len(short), floor, sum(max(runs, floor) for runs in running) / 60)
