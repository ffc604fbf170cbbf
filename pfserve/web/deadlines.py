"""Coarse deadlines: adding and removing one costs a dictionary entry, not a timer.

All items of a row wait equally long, so the order in which they came is the order in which they expire,
and only the front of a row is ever looked at. One timer serves all rows, and only while one is in use.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import islice
from typing import Protocol


class Expiring(Protocol):
    """Something that can run out of time."""

    def expire(self, now_s: float) -> None:
        """Called once, after the item's deadline. The item is no longer in the row, and may enter one again."""


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
        self._due_s[item] = now_s + self.delay_s
        if not self._deadlines.armed:
            self._deadlines.arm()

    def discard(self, item: Expiring) -> None:
        """Forget ``item``, if it is here."""
        self._due_s.pop(item, None)

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
    """

    def __init__(
        self, clock: Callable[[], float], call_later: Callable[..., object], resolution_s: float = 0.1
    ) -> None:
        self._clock = clock
        self._call_later = call_later
        self._resolution_s = resolution_s
        self._rows: dict[float, Row] = {}
        self.armed = False

    def row(self, delay_s: float) -> Row:
        """The row of all items that wait for ``delay_s`` seconds."""
        row = self._rows.get(delay_s)
        if row is None:
            row = self._rows[delay_s] = Row(self, delay_s)
        return row

    def arm(self) -> None:
        """Turn the rows once, one resolution from now."""
        self.armed = True
        self._call_later(self._resolution_s, self.turn)

    def turn(self) -> None:
        """Expire what is due, and go on turning while anything waits."""
        self.armed = False
        now_s = self._clock()
        for item in [item for row in self._rows.values() for item in row.take_due(now_s)]:
            item.expire(now_s)
        if not self.armed and any(len(row) for row in self._rows.values()):
            self.arm()
