"""Coarse deadlines: adding and removing one costs a dictionary entry, not a timer.

All items of a row wait equally long, so the order in which they came is the order in which they expire,
and only the front of a row is ever looked at. One timer serves all rows; it is set for the first deadline of all.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import islice
from typing import Protocol

_EARLY_S = 0.001  # by so much uvloop's timers may be early: they count whole milliseconds


class Expiring(Protocol):
    """Something that can run out of time."""

    def expire(self, now_s: float) -> None:
        """Called once, after the item's deadline. The item is no longer in the row, and may enter one again."""


class Timer(Protocol):
    """What ``call_later`` gives."""

    def cancel(self) -> object:
        """Let it not be called."""


class Row:
    """The items that wait for the same length of time. Made by :meth:`Deadlines.row`."""

    __slots__ = ("_deadlines", "_due_s", "delay_s")

    def __init__(self, deadlines: Deadlines, delay_s: float) -> None:
        self._deadlines = deadlines
        self.delay_s = delay_s
        self._due_s: dict[Expiring, float] = {}

    def __len__(self) -> int:
        return len(self._due_s)

    def add(self, item: Expiring, now_s: float) -> None:
        """Let ``item`` expire ``delay_s`` seconds after ``now_s``, or up to one resolution later."""
        self._due_s[item] = due_s = now_s + self.delay_s
        if due_s < self._deadlines.turn_s:
            self._deadlines.arm(due_s)

    def discard(self, item: Expiring) -> None:
        """Forget ``item``, if it is here."""
        self._due_s.pop(item, None)

    def first_due_s(self) -> float:
        """When the first item expires; never, if there is none."""
        return next(iter(self._due_s.values()), math.inf)

    def oldest(self, number: int) -> list[Expiring]:
        """The items that will expire first, at most so many."""
        return list(islice(self._due_s, number))

    def take_due(self, now_s: float) -> list[Expiring]:
        """Take out the items whose time is over, oldest first."""
        due: list[Expiring] = []
        for item, due_s in self._due_s.items():
            if due_s > now_s:
                break
            due.append(item)
        for item in due:
            del self._due_s[item]
        return due


class Deadlines:
    """All rows of a worker, and the timer that turns them.

    ``clock`` gives monotonic seconds; ``call_later(delay_s, callback)`` is the event loop's.

    Attributes:
        turn_s: when the timer is due, on the clock; infinity while none is set.
    """

    def __init__(self, clock: Callable[[], float], call_later: Callable[..., Timer], resolution_s: float = 0.1) -> None:
        self._clock = clock
        self._call_later = call_later
        self._resolution_s = resolution_s
        self._rows: dict[float, Row] = {}
        self._timer: Timer | None = None
        self.turn_s = math.inf

    def row(self, delay_s: float) -> Row:
        """The row of all items that wait for ``delay_s`` seconds."""
        row = self._rows.get(delay_s)
        if row is None:
            row = self._rows[delay_s] = Row(self, delay_s)
        return row

    def arm(self, due_s: float) -> None:
        """Turn the rows when ``due_s`` has come, and at least one resolution from now: one turn for many items."""
        now_s = self._clock()
        turn_s = max(due_s + _EARLY_S, now_s + self._resolution_s)
        if turn_s >= self.turn_s:
            return
        if self._timer is not None:
            self._timer.cancel()
        self.turn_s = turn_s
        self._timer = self._call_later(turn_s - now_s, self.turn)

    def turn(self) -> None:
        """Expire what is due, and set the timer for what is due next."""
        self._timer, self.turn_s = None, math.inf
        now_s = self._clock()
        for item in [item for row in self._rows.values() for item in row.take_due(now_s)]:
            item.expire(now_s)
        due_s = min(row.first_due_s() for row in self._rows.values())
        if due_s < self.turn_s:
            self.arm(due_s)
