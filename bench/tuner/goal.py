"""What is wanted of a setting."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import msgspec

from ..durations import seconds, written
from ..mistake import Mistake

_LIMIT = re.compile(r"p(50|75|90|95|99|99\.9)\s*(?:=|<=?|≤)\s*(.+)")
BEHIND_SHARE = 0.03  # answers may be so many fewer than requests, besides chance
CHANCE_SIGMAS = 3.0


class Limit(msgspec.Struct, frozen=True):
    """So many percent of the successes take no longer."""

    percent: str
    seconds: float

    @classmethod
    def parse(cls, text: str) -> Limit:
        """``p95=2s``, or ``p95<2s`` as for run. Raises Mistake."""
        found = _LIMIT.fullmatch(text.strip())
        if not found or (limit_s := seconds(found[2])) <= 0:
            raise Mistake(f"--slo {text}: write p95=2s; p50, p75, p90, p95, p99 and p99.9 are known")
        return cls(found[1], limit_s)

    def __str__(self) -> str:
        return f"p{self.percent} ≤ {written(self.seconds)}"


class Seen(msgspec.Struct, frozen=True):
    """What one load at one rate showed."""

    rate_per_s: float
    offered: int
    answered_per_s: float
    lasted_s: float
    refused: int
    failed: int  # timed out, failed, no connection, never sent
    percentiles_s: Mapping[str, float]
    waits_s: Mapping[str, float] = {}  # of the successes, for a slot, as the server tells


class Goal(msgspec.Struct, frozen=True):
    """The most successes a second within the limits; with ``rate_per_s``, the least memory that serves that rate."""

    limits: Sequence[Limit]
    most_refused: float  # share; failures count with them
    rate_per_s: float | None = None

    @property
    def tightest_s(self) -> float:
        """The shortest limit."""
        return min(limit.seconds for limit in self.limits)

    def missed(self, seen: Seen) -> list[str]:
        """Why the load shows that the goal is not reached; empty if it is."""
        if not seen.offered:
            return ["no request was measured"]
        found = (
            [
                f"p{limit.percent} was {written(figure)}, at most {written(limit.seconds)} is asked"
                for limit in self.limits
                if (figure := seen.percentiles_s.get(limit.percent, float("inf"))) > limit.seconds
            ]
            if seen.percentiles_s
            else ["no request succeeded"]
        )
        if (share := (seen.refused + seen.failed) / seen.offered) > self.most_refused:
            found.append(
                f"{seen.refused / seen.offered:.1%} were refused and {seen.failed / seen.offered:.1%} failed, "
                f"at most {self.most_refused:.1%} together is asked"
            )
        elif self._is_behind(seen, share):
            found.append(
                f"only {seen.answered_per_s:,.1f} of {seen.rate_per_s:,.1f} requests/s were answered: a line grew"
            )
        return found

    def _is_behind(self, seen: Seen, lost: float) -> bool:
        """Whether requests pile up: a short load ends before the waits that they cause.

        As many are inside at the end of a load as at its beginning, but for chance.
        """
        grown = seen.offered * (1 - lost) - seen.answered_per_s * seen.lasted_s
        inside = seen.rate_per_s * seen.percentiles_s.get("50", 0.0)
        return bool(grown > BEHIND_SHARE * seen.offered + CHANCE_SIGMAS * (inside + 1) ** 0.5)
