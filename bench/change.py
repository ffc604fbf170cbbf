"""Whether two versions differ: by more than chance gives, and by so much that it matters. Pure.

Both tests are exact and ask for no bell curve: one counts rounds, one ranks them, so it does not matter how far out a
round is that was disturbed.
"""

from __future__ import annotations

import bisect
import enum
import functools
import math
import statistics
from collections import Counter
from collections.abc import Sequence

import msgspec

from .budgets import Sense
from .series import Series, ratio

MISTAKEN = 0.01  # how often at most a run in which nothing changed may say REGRESSED, all its lines together


class Outcome(enum.Enum):
    """What can be said."""

    REGRESSED = "REGRESSED"
    IMPROVED = "improved"
    UNCHANGED = "no change shown"
    TOO_FEW = "too few rounds to say"


class Change(msgspec.Struct, frozen=True):
    """One line: how much of the baseline we are."""

    key: str
    ratios: Series  # ours / the baseline's
    p: float  # how often chance alone gives as much for the worse
    outcome: Outcome


def paired(key: str, sense: Sense, ours: Series, theirs: Series, *, level: float, least: float) -> Change:
    """From rounds that had both, neighbours in time: what drifts hits both. By the rounds in which we are worse.

    ``level``: the p that convinces. ``least``: the part that matters, 0.05 for a twentieth.
    """
    ratios = ratio(ours, theirs)
    worse = _worse(sense, ratios)
    better = [-value for value in worse]
    p = sign_test(worse)
    bar = _Bar(level, least, can_say=0.5 ** len(worse) <= level)
    return Change(key, ratios, p, bar.outcome(worse, p, sign_test(better)))


def separate(
    key: str, sense: Sense, ours: Series, theirs: Series, *, level: float, least: float, luck: float
) -> Change:
    """From two runs at different times (Mann and Whitney).

    ``luck``: how far apart two runs of the same code may be, however much the rounds of each agree.
    """
    middle = theirs.median
    ratios = Series(f"{ours.system} / baseline", ours.quantity, "x", tuple(one / middle for one in ours.samples))
    worse = _worse(sense, ratios)
    base = _worse(sense, msgspec.structs.replace(ratios, samples=tuple(one / middle for one in theirs.samples)))
    apart = math.log1p(luck)
    p = rank_sum([value - apart for value in worse], base)
    p_better = rank_sum(base, [value + apart for value in worse])
    bar = _Bar(level, least, can_say=1 / math.comb(len(worse) + len(base), len(base)) <= level)
    return Change(key, ratios, p, bar.outcome(worse, p, p_better))


class _Bar(msgspec.Struct, frozen=True):
    """What has to be passed."""

    level: float
    least: float
    can_say: bool  # whether so few rounds can convince at all

    def outcome(self, worse: Sequence[float], p_worse: float, p_better: float) -> Outcome:
        """``worse``: logarithms, above 0 where we are."""
        if not self.can_say:
            return Outcome.TOO_FEW
        middle, far = statistics.median(worse), math.log1p(self.least)
        if p_worse <= self.level and middle >= far:
            return Outcome.REGRESSED
        return Outcome.IMPROVED if p_better <= self.level and middle <= -far else Outcome.UNCHANGED


def sign_test(values: Sequence[float]) -> float:
    """How often a fair coin shows heads as often as these are above 0: one-sided. A zero is no head."""
    heads = sum(value > 0 for value in values)
    return sum(math.comb(len(values), more) for more in range(heads, len(values) + 1)) * 0.5 ** len(values)


def rank_sum(high: Sequence[float], low: Sequence[float]) -> float:
    """How often values as far above the others as these come if who is who is chance: one-sided."""
    ranks = _ranks([*high, *low])
    ways, seen = _sums_of(tuple(sorted(ranks)), len(high)), sum(ranks[: len(high)])
    return sum(count for total, count in ways.items() if total >= seen) / ways.total()


def _ranks(values: Sequence[float]) -> list[int]:
    """Twice the rank of each, so that equals, who share the middle of theirs, have whole numbers too."""
    ordered = sorted(values)
    return [bisect.bisect_left(ordered, value) + bisect.bisect_right(ordered, value) + 1 for value in values]


@functools.lru_cache(maxsize=64)
def _sums_of(ranks: tuple[int, ...], size: int) -> Counter[int]:
    """In how many ways so many of the ranks give each sum."""
    ways = [Counter({0: 1}), *(Counter[int]() for _ in range(size))]
    for rank in ranks:
        for taken in range(size, 0, -1):
            ways[taken] += Counter({total + rank: count for total, count in ways[taken - 1].items()})
    return ways[size]


def _worse(sense: Sense, ratios: Series) -> list[float]:
    """Logarithms, above 0 where we are worse: twice as much and half as much are as far from the same."""
    sign = 1 if sense is Sense.AT_MOST else -1
    return [sign * math.log(sample) for sample in ratios.samples]
