"""The line of one generation: its requests that wait for a slot, first in, first out, in shared memory.

Entries lie in one of two areas, side by side from a head to a tail; zeros between them are entries that were taken
back. Which area counts, and where its head and tail are, is one word: whatever is done to the line takes effect by one
store to that word, or to the entry itself. So a process that is killed in the middle has done it or has not, and
there is nothing to repair. An entry is one word too: the seat that the request waits at, and its number.

All that changes the line is done under the region's lock. Whether it is empty can be seen without.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable
from typing import NamedTuple

from pfserve.region.lock import RegionLock

_STATE, _LAST = 0, 1
_WORDS = 2  # of the line, before its two areas
_POSITION_BITS = 31
_POSITION = (1 << _POSITION_BITS) - 1
_NUMBER_BITS = 48
_NUMBER = (1 << _NUMBER_BITS) - 1


class Entry(NamedTuple):
    """One request in the line. Numbers rise in the order of arrival, and none is used twice."""

    seat: int
    number: int


def line_words(capacity: int) -> int:
    """How many 64-bit words a line for so many requests takes."""
    return _WORDS + 2 * _area_size(capacity)


def _area_size(capacity: int) -> int:
    """Twice what can wait: then an area is moved to the other only after as many entries have come and gone."""
    return 2 * capacity + 2


class Line:
    """Use it from one thread per process, as the lock.

    Args:
        words: :func:`line_words` of zeroed shared memory.
        lock: the region's; every method that takes it says so.
        capacity: how many may wait: never more than there are tickets.
    """

    __slots__ = ("_areas", "_lock", "_size", "_words")

    def __init__(self, words: memoryview, lock: RegionLock, capacity: int) -> None:
        self._words = words
        self._lock = lock
        self._size = size = _area_size(capacity)
        self._areas = (words[_WORDS : _WORDS + size], words[_WORDS + size : _WORDS + 2 * size])

    @property
    def empty(self) -> bool:
        """Whether nobody waits. Without the lock."""
        return not self._words[_STATE]

    def __len__(self) -> int:
        """How many wait, or some more: those taken back between the first and the last count. Without the lock."""
        state = self._words[_STATE]
        return (state & _POSITION) - (state >> _POSITION_BITS & _POSITION)

    def push(self, seat: int) -> Entry:
        """Append a request of the seat. Takes the lock."""
        with self._lock:
            number = self._words[_LAST] + 1
            self._words[_LAST] = number
            entry = Entry(seat, number)
            area, head, tail = self._with_room_behind()
            self._areas[area][tail] = _pack(entry)
            self._commit(area, head, tail + 1)
            return entry

    def reserve(self, seat: int) -> Entry:
        """A place in the order for a request that need not wait, should it have to after all. Takes the lock."""
        with self._lock:
            self._words[_LAST] += 1
            return Entry(seat, self._words[_LAST])

    def put_back(self, entry: Entry) -> None:
        """Put a request in front of all those that came after it. Takes the lock."""
        with self._lock:
            area, head, tail = self._bounds()
            live = [word for word in self._areas[area][head:tail] if word]
            later = next((index for index, word in enumerate(live) if word & _NUMBER > entry.number), len(live))
            self._rewrite(area, [*live[:later], _pack(entry), *live[later:]])

    def pop(self, may: Callable[[int], bool]) -> Entry | None:
        """Take the first request out, if there is one and ``may`` allows its seat. Takes the lock."""
        with self._lock:
            area, head, tail = self._bounds()
            entries = self._areas[area]
            while head < tail and not entries[head]:
                head += 1
            if head == tail:
                self._commit(area, head, tail)
                return None
            entry = _unpack(entries[head])
            if not may(entry.seat):
                return None
            self._commit(area, head + 1, tail)
            return entry

    def pop_all(self, seat: int) -> list[Entry]:
        """Take all requests of the seat out, in order, whoever is before them. Takes the lock."""
        with self._lock:
            area, head, tail = self._bounds()
            words = self._areas[area][head:tail].tolist()
            self.forget(seat)
        return [_unpack(word) for word in words if word and word >> _NUMBER_BITS == seat]

    def cancel(self, entry: Entry) -> bool:
        """Take the request out, wherever it is; whether it was there. Takes the lock."""
        word = _pack(entry)
        with self._lock:
            area, head, tail = self._bounds()
            entries = self._areas[area]
            try:
                index = head + entries[head:tail].tolist().index(word)
            except ValueError:
                return False
            entries[index] = 0
            self._commit(area, head, tail)
            return True

    def forget(self, seat: int) -> None:
        """Take all requests of the seat out. The caller holds the lock: its process is gone."""
        area, head, tail = self._bounds()
        entries = self._areas[area]
        for index in range(head, tail):
            if entries[index] and entries[index] >> _NUMBER_BITS == seat:
                entries[index] = 0
        self._commit(area, head, tail)

    def entries(self) -> list[Entry]:
        """Who waits, in order. Takes the lock."""
        with self._lock:
            area, head, tail = self._bounds()
            words = self._areas[area][head:tail].tolist()
        return [_unpack(word) for word in words if word]

    def _bounds(self) -> tuple[int, int, int]:
        state = self._words[_STATE]
        return state >> 2 * _POSITION_BITS, state >> _POSITION_BITS & _POSITION, state & _POSITION

    def _commit(self, area: int, head: int, tail: int) -> None:
        """Make head and tail count; the head moves to an entry that is there. An empty line's word is zero."""
        entries = self._areas[area]
        while head < tail and not entries[head]:
            head += 1
        self._words[_STATE] = 0 if head == tail else area << 2 * _POSITION_BITS | head << _POSITION_BITS | tail

    def _with_room_behind(self) -> tuple[int, int, int]:
        area, head, tail = self._bounds()
        if tail == self._size:
            self._rewrite(area, [word for word in self._areas[area][head:tail] if word])
        return self._bounds()

    def _rewrite(self, area: int, words: list[int]) -> None:
        """Write what waits into the other area, then let that one count."""
        self._areas[1 - area][: len(words)] = array("Q", words)
        self._commit(1 - area, 0, len(words))


def _pack(entry: Entry) -> int:
    return entry.seat << _NUMBER_BITS | entry.number


def _unpack(word: int) -> Entry:
    return Entry(word >> _NUMBER_BITS, word & _NUMBER)
