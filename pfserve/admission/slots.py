"""Who runs a request that needs a slot, and how long it would wait. Pure decisions; no region, no clock."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

QUICK_S = 0.0003
"""Jobs shorter than this stay where they arrive: this is what handing one over costs, in CPU of both workers."""

STALLED_S = 0.02
"""A lane that has taken up no job for so long is not quick any more, whatever it was."""


def is_quick(usual_s: float, idle_s: float) -> bool:
    """Whether a lane that is busy is about to be free again, sooner than another worker could take a request over.

    Args:
        usual_s: what most jobs keep below, lately; 0 for unknown.
        idle_s: since a thread of the lane last took up a job.
    """
    return 0 < usual_s < QUICK_S and idle_s < STALLED_S


def freest(seats: Iterable[int], slots: int, busy: Sequence[int] | memoryview, asked: Mapping[int, int]) -> int | None:
    """The seat with the most free slots, the first of several; None if none has one.

    Args:
        seats: those that may be asked.
        slots: of each of them.
        busy: what is taken, by seat.
        asked: how many times a seat was asked to look at the line that has not answered yet.
    """
    best, most = None, 0
    for seat in seats:
        free = slots - busy[seat] - asked.get(seat, 0)
        if free > most:
            best, most = seat, free
    return best


def expected_wait_s(ahead: int, pace_s: float, slots: int) -> float:
    """How long a request waits that has ``ahead`` others before it in the line, while all ``slots`` are taken.

    ``pace_s`` is what a slot is taken for, lately: so every ``pace_s / slots`` seconds one gets free.
    """
    return (ahead + 1) * pace_s / slots
