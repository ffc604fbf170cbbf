"""What a setting should give, told from a few facts about the flow and corrected by every trial.

Three things bound the rate: CPU, slots, and places inside the instance. What the model does not know (contention,
the interpreter's lock, an upstream) shows as a factor at the settings tried, and is taken to hold near them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import msgspec

from .setting import Setting

_REACH = 1.0  # doublings along an axis after which a trial tells little about another setting
_PRIOR = 0.3  # the weight of "the model is right" among the trials near
_REFUSAL_SIGMAS = 2.3  # places above the mean inside that 1 % of arrivals find taken
_LIMITED = 0.8  # of what a crowd gets that finds everything free: with less, something bounds it
_LINE = 3.0  # ln 20: the waits that 5 % exceed, in mean times


class Facts(msgspec.Struct, frozen=True):
    """Of one flow on one machine."""

    cores: int
    latency_s: float  # of a request that is alone
    cpu_s: float  # of the server, for a request
    hold_s: float  # how long a request keeps a slot at most; what it awaits off its slot is not in it

    @property
    def waiting_share(self) -> float:
        """Of a request's time, what needs neither CPU nor a slot."""
        return max(0.0, 1 - max(self.hold_s, self.cpu_s) / self.latency_s) if self.latency_s else 0.0

    @property
    def idle_per_s(self) -> float:
        """A rate at which requests hardly meet."""
        return 0.1 / self.latency_s

    def learn(self, setting: Setting, goodput_per_s: float) -> Facts:
        """A rate that so many slots served bounds the time for which a request keeps one."""
        if goodput_per_s <= 0:
            return self
        return msgspec.structs.replace(self, hold_s=min(self.hold_s, setting.slots / goodput_per_s))


CROWDS = (16, 64, 256)


def is_limited(latency_s: float, users: int, crowd_per_s: float) -> bool:
    """Whether a crowd of so many at one slot was held up: then its rate tells by what, and no larger one is needed."""
    return crowd_per_s < _LIMITED * users / latency_s


def calibrate(cores: int, latency_s: float, cpu_s: float, users: int, crowd_per_s: float) -> Facts:
    """From one user alone and a crowd at one slot: the crowd shows the slot's time, as far as it is the limit."""
    hold_s = min(latency_s, 1 / crowd_per_s if crowd_per_s else latency_s)
    return Facts(cores, latency_s, max(cpu_s, 1e-6), max(hold_s, latency_s / users))


def forecast(setting: Setting, facts: Facts, limit_s: float) -> float:
    """Requests a second within the limit, by the model alone."""
    by_cpu = min(setting.workers, facts.cores) / facts.cpu_s
    spare_s = max(limit_s - facts.latency_s, 0.1 * limit_s)
    full = setting.slots / facts.hold_s
    by_slots = max(full - _LINE / spare_s, full * 0.2)
    inside = ((math.sqrt(_REFUSAL_SIGMAS**2 + 4 * setting.bound) - _REFUSAL_SIGMAS) / 2) ** 2
    return min(by_cpu, by_slots, inside / facts.latency_s)


def corrected(setting: Setting, facts: Facts, limit_s: float, measured: Mapping[Setting, float]) -> tuple[float, float]:
    """The forecast after what was measured near, and how little is known there: 1 nothing, 0 it was tried."""
    weights = {tried: _near(setting, tried) for tried in measured}
    factors = {tried: math.log(max(measured[tried], 1e-3) / forecast(tried, facts, limit_s)) for tried in measured}
    total = sum(weights.values()) + _PRIOR
    factor = sum(weights[tried] * factors[tried] for tried in measured) / total
    return forecast(setting, facts, limit_s) * math.exp(factor), 1 - max(weights.values(), default=0.0)


def _near(one: Setting, other: Setting) -> float:
    pairs = ((one.workers, other.workers), (one.threads, other.threads), (one.bound, other.bound))
    squares = sum(math.log2(a / b) ** 2 for a, b in pairs)
    return math.exp(-squares / (2 * _REACH**2))
