"""The budgets that the comparison can judge, as data. Their text is the project's; the verdict is computed here."""

from __future__ import annotations

import enum

import msgspec

from .series import Series


class Sense(enum.Enum):
    """On which side of the limit the figure has to be."""

    AT_LEAST = ">="
    AT_MOST = "<="


class Budget(msgspec.Struct, frozen=True):
    """One line that has to be reached."""

    key: str  # its number, and a word that is unique among the lines
    what: str
    how: str
    sense: Sense
    limit: float
    unit: str

    @property
    def number(self) -> str:
        """``P1`` of ``P1.async``."""
        return self.key.partition(".")[0]


class Verdict(msgspec.Struct, frozen=True):
    """A budget and what was measured for it."""

    budget: Budget
    measured: Series

    @property
    def met(self) -> bool:
        """Whether the median keeps the limit. The limit itself does."""
        median, limit = self.measured.median, self.budget.limit
        return median >= limit if self.budget.sense is Sense.AT_LEAST else median <= limit


_LOADED = "2 workers, C=64, wrk with 16 connections; median of the rounds' ratios of requests/s"

BUDGETS = (
    Budget("P1.async", "async echo flow / hand-written async server", _LOADED, Sense.AT_LEAST, 0.90, "x"),
    Budget("P1.async-flask", "async echo flow / promptflow Flask", _LOADED, Sense.AT_LEAST, 45, "x"),
    Budget("P1.sync", "sync echo flow / hand-written server with one hop", _LOADED, Sense.AT_LEAST, 0.90, "x"),
    Budget("P1.sync-flask", "sync echo flow / promptflow Flask", _LOADED, Sense.AT_LEAST, 35, "x"),
    Budget("P2.p50", "one connection, async echo: p50", "wrk with 1 connection", Sense.AT_MOST, 0.15, "ms"),
    Budget("P2.tail", "one connection, async echo: p99 / p50", "wrk with 1 connection", Sense.AT_MOST, 4, "x"),
    Budget(
        "P6.worker", "an extra worker", "slope of the tree's PSS after load, 1, 2, 4 workers", Sense.AT_MOST, 9, "MB"
    ),
    Budget(
        "P6.idle", "10,000 idle keep-alive connections", "growth of the tree's PSS, 2 workers", Sense.AT_MOST, 150, "MB"
    ),
    Budget("P7.ready", "cold start to ready", "spawn to the first 200 on /health", Sense.AT_MOST, 0.5, "s"),
    Budget("P7.import", "import pfserve.cli", "a new interpreter, its own start included", Sense.AT_MOST, 0.15, "s"),
)
NUMBERS = tuple(dict.fromkeys(budget.number for budget in BUDGETS))


def judge(key: str, measured: Series) -> Verdict:
    """The verdict on the line ``key``. Raises KeyError if there is no such line."""
    return Verdict({budget.key: budget for budget in BUDGETS}[key], measured)
