"""How long the stub thinks before its first token: always the same, or drawn from a distribution."""

from __future__ import annotations

import math
from pathlib import Path
from statistics import NormalDist

import msgspec

from pfserve.errors import ConfigError
from pfserve.stub.dice import Dice

KEY = "--latency-dist"
_FORMS = "write constant, lognormal:MEDIAN_MS,SIGMA or file:PATH"
_STEPS = 1 << 53


class Constant(msgspec.Struct, frozen=True):
    """Always the same."""

    latency_s: float = 0.0

    def draw(self, dice: Dice) -> float:
        """In seconds."""
        return self.latency_s


class LogNormal(msgspec.Struct, frozen=True):
    """The logarithm is normal: most answers near the median, a long tail above. Real models look like that."""

    median_s: float
    sigma: float  # of the logarithm; at 0.5, one answer in a hundred takes 3.2 times the median

    def draw(self, dice: Dice) -> float:
        """In seconds."""
        share = (dice.below(_STEPS) + 0.5) / _STEPS  # never 0 and never 1
        return self.median_s * math.exp(self.sigma * NormalDist().inv_cdf(share))


class Measured(msgspec.Struct, frozen=True):
    """What was measured elsewhere, each as likely as any other."""

    latencies_s: tuple[float, ...]

    def draw(self, dice: Dice) -> float:
        """In seconds."""
        return dice.choice(self.latencies_s)


Latency = Constant | LogNormal | Measured


def parse_latency(text: str, constant_s: float) -> Latency:
    """The distribution that ``text`` names; ``constant_s`` is what a constant one always takes.

    Raises:
        ConfigError: there is no such distribution, or no such file, or no latency in it.
    """
    kind, _, rest = text.partition(":")
    if text == "constant":
        return Constant(constant_s)
    if constant_s:
        raise ConfigError(KEY, text, "command line", "it replaces --latency-ms: leave that out")
    if kind == "lognormal":
        return _log_normal(text, rest)
    if kind == "file":
        return _measured(text, Path(rest))
    raise ConfigError(KEY, text, "command line", _FORMS)


def _log_normal(text: str, rest: str) -> LogNormal:
    try:
        median_ms, sigma = map(float, rest.split(","))
    except ValueError:
        raise ConfigError(KEY, text, "command line", _FORMS) from None
    if not (0 < median_ms < math.inf and 0 <= sigma < math.inf):
        raise ConfigError(KEY, text, "command line", "the median must be above 0 and the sigma at least 0")
    return LogNormal(median_ms / 1000, sigma)


def _measured(text: str, path: Path) -> Measured:
    """A latency in milliseconds a line; empty lines and those that begin with # are left out."""
    try:
        lines = [line.strip() for line in path.read_text().splitlines()]
        latencies_ms = [float(line) for line in lines if line and not line.startswith("#")]
    except (OSError, ValueError) as problem:
        raise ConfigError(KEY, text, "command line", str(problem)) from None
    if not latencies_ms or not all(0 <= latency_ms < math.inf for latency_ms in latencies_ms):
        raise ConfigError(KEY, text, "command line", "the file must hold a latency in milliseconds a line")
    return Measured(tuple(latency_ms / 1000 for latency_ms in latencies_ms))
