"""The gate: at most C requests inside the instance. Never C + 1, and never a refusal while fewer are inside.

The bound is one for all workers and generations together. Every seat has a cell with the number of its requests. Cells
are raised under the region's lock only, and lowered without it, each by its own worker. So while the lock is held no
cell grows, and a sum taken cell by cell is exact enough to decide by: it is at most what was inside when the lock was
taken, and at least what is inside when the sum is done. Below C there is a place now; at C the instance was full then.

A dead worker's cell is zeroed by its parent after ``waitpid``; there is no total that could go wrong.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

from pfserve.admission.retry import LEAST_S, MOST_S, extrapolated_s, next_end_s, retry_after_s
from pfserve.admission.window import ServedWindow
from pfserve.region import Region

_NS = 1_000_000_000
_SINCE = 1  # the last bit of what a worker tells: it is when its oldest request began, not when one should end
_SUCCESS = 2  # of the ledger's outcomes


class Gate:
    """One worker's side of the gate. Used from the worker's event loop only.

    Web owns the pairing: every ``admit`` that gave True is followed by exactly one ``release``, whatever happens. A
    ticket is therefore no object; one too many releases raises ValueError once the worker's own cell is zero.

    Args:
        region: the instance's region; its ``capacity`` is the bound.
        seat: the seat of this worker.
    """

    __slots__ = (
        "_acquire", "_capacity", "_counted", "_left", "_mean_s", "_region", "_release", "_seat", "_tickets", "_took",
        "_window",
    )  # fmt: skip

    def __init__(self, region: Region, seat: int) -> None:
        self._region = region
        self._seat = seat
        self._capacity = region.capacity
        self._tickets = region.tickets
        self._acquire = region.lock.acquire
        self._release = region.lock.release
        self._left = 0  # requests that gave their ticket back since the last tick
        now_s = time.monotonic()
        self._window = ServedWindow(now_s, sum(region.served))
        count, microseconds = self._successes()
        self._counted = ServedWindow(now_s, count)
        self._took = ServedWindow(now_s, microseconds)
        # How long requests took lately: until one has ended since, in the whole life of the instance.
        self._mean_s: float | None = microseconds / count / 1e6 if count and microseconds > 0 else None

    def admit(self) -> bool:
        """Take a ticket, if the instance has one left."""
        self._acquire()
        try:
            if sum(self._tickets) < self._capacity:
                self._tickets[self._seat] += 1
                return True
            return False
        finally:
            self._release()

    def release(self) -> None:
        """Give a ticket back."""
        self._tickets[self._seat] -= 1
        self._left += 1

    def full(self) -> bool:
        """Look whether the instance is full. A look takes no ticket: only :meth:`admit` decides.

        A sum without the lock can count a place twice: its request leaves a cell that was already read, and the next
        one takes it in a cell not yet read. The other way round it counts none. To miss one does no harm, since admit
        comes after; but a refusal must be true, so a sum that says full is taken again under the lock.
        """
        if sum(self._tickets) < self._capacity:
            return False
        self._acquire()
        try:
            return sum(self._tickets) >= self._capacity
        finally:
            self._release()

    def inside(self) -> int:
        """The number of requests inside the instance, about: without the lock."""
        return sum(self._tickets)

    def tick(self, now_s: float, ages_s: Sequence[float]) -> None:
        """Note how much has been served, here and elsewhere, and tell the others when a request here should end.

        The worker's beat calls this once a second. ``ages_s`` as for :meth:`retry_after_s`.
        """
        self._region.served[self._seat] += self._left
        self._left = 0
        self._window.observe(now_s, sum(self._region.served))
        count, microseconds = self._successes()
        self._mean_s = self._mean_since(now_s, count, microseconds) or self._mean_s
        self._counted.observe(now_s, count)
        self._took.observe(now_s, microseconds)
        self._tell_next_end(time.monotonic_ns(), ages_s)

    def retry_after_s(self, ages_s: Sequence[float]) -> float:
        """When a refused client should try again, in seconds from now.

        That is when the first of all running requests should end, of whatever generation; each worker knows how old its
        own are, and tells the others.

        Args:
            ages_s: how long this worker's requests have been running, oldest first; the oldest ones will do. Those that
                wait in the line are none of them.
        """
        now_ns = time.monotonic_ns()
        if self._mean_s is None:
            self._mean_s = self._mean_since(now_ns / _NS, *self._successes())
        self._tell_next_end(now_ns, ages_s)
        if ends_s := self._next_ends_s(now_ns):
            return min(max(min(ends_s), LEAST_S), MOST_S)
        served, over_s = self._window.since(now_ns / _NS, sum(self._region.served))
        return retry_after_s(self.inside(), self._capacity, served, over_s)

    def _tell_next_end(self, now_ns: int, ages_s: Sequence[float]) -> None:
        if ages_s and self._mean_s is None:  # who reads it may know by then how long requests take
            word = now_ns - int(ages_s[0] * _NS) | _SINCE
        else:
            own_s = next_end_s(ages_s, self._mean_s)
            word = 0 if own_s is None else now_ns + int(own_s * _NS) & ~_SINCE
        self._region.next_ends[self._seat] = word

    def _next_ends_s(self, now_ns: int) -> list[float]:
        """How long until the next request of each worker should end, of those that have told."""
        region = self._region
        inside, waiting = max(self.inside(), 1), sum(len(line) for line in region.lines)
        running = max(inside - waiting, 0) / inside  # of those inside
        guesses = (
            next_end_s([(now_ns - word) / _NS], self._mean_s)
            if word & _SINCE
            else extrapolated_s((word - now_ns) / _NS, held * running, self._mean_s)
            for word, held in zip(region.next_ends, self._tickets, strict=True)
            if held and word
        )
        return [guess for guess in guesses if guess is not None]

    def _successes(self) -> tuple[int, int]:
        """How many requests the instance has answered with the flow's outputs, and how many microseconds they ran.

        What they waited in the line is not running.
        """
        pages = self._region.ledger.pages
        took = sum(page.microseconds(_SUCCESS) - page.waited_microseconds for page in pages)
        return sum(sum(page.buckets(_SUCCESS)) for page in pages), took

    def _mean_since(self, now_s: float, count: int, microseconds: int) -> float | None:
        number, _ = self._counted.since(now_s, count)
        took, _ = self._took.since(now_s, microseconds)
        return took / number / 1e6 if number > 0 and took > 0 else None
