"""The memory that all processes of an instance share: cells per seat, lines, a lock, the master's words, the ledger."""

from pfserve.region.ledger import (
    BOUNDS_S,
    OUTCOMES,
    Departure,
    Fact,
    Ledger,
    Life,
    ModelCount,
    Outcome,
    Page,
    PlanFacts,
    Refusal,
)
from pfserve.region.line import Entry, Line
from pfserve.region.lock import LockTimeout
from pfserve.region.region import Region, SeatState

__all__ = [
    "BOUNDS_S",
    "OUTCOMES",
    "Departure",
    "Entry",
    "Fact",
    "Ledger",
    "Life",
    "Line",
    "LockTimeout",
    "ModelCount",
    "Outcome",
    "Page",
    "PlanFacts",
    "Refusal",
    "Region",
    "SeatState",
]
