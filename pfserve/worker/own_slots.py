"""The slots of one worker: its lane's threads, given one by one to the first in the line, of whatever seat."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from functools import partial
from typing import Protocol

from pfserve.admission.slots import STALLED_S, is_quick
from pfserve.execution import ThreadLane
from pfserve.region import Entry, Region, SeatState

GRANT_NS = 1_000_000_000  # a slot that is promised to another seat is kept for so long
_SAME_NS = 1_000  # a time that has been a float is exact to less


class Takers(Protocol):
    """Whoever gets the slots."""

    def waiting(self) -> bool:
        """Whether requests of this worker wait in the line."""

    def admit(self, number: int) -> bool:
        """Tell a request of this worker that it has a slot here. False if it does not wait any more."""

    def grant(self, entry: Entry, now_ns: int) -> bool:
        """Tell another seat that its request has a slot here. False if it cannot be told now."""


class OwnSlots:
    """Gives the slots away, and publishes how many are taken. Nobody else does, so none is given away twice.

    ``hasty`` says that a request's first job can be taken back from the lane; ``branches`` that its next job may follow
    the last one two turns of the loop later, not one. A slot is *promised* from when it is
    given away until the request is submitted to the lane.
    """

    def __init__(
        self,
        *,
        loop: asyncio.AbstractEventLoop,
        region: Region,
        seat: int,
        lane: ThreadLane,
        hasty: bool,
        branches: bool,
        takers: Takers,
        clock_ns: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        self.count = lane.threads
        self._loop = loop
        self._region = region
        self._seat = seat
        self._line = region.line(seat)
        self._lane = lane
        self._hasty = hasty
        later = self._pull_later
        self._pull_after_jobs = partial(loop.call_soon, *((loop.call_soon, later) if branches else (later,)))
        self._takers = takers
        self._clock_ns = clock_ns
        self._granted: dict[Entry, int] = {}  # promised to other seats; until when, in nanoseconds
        self._promised = 0
        self._pulling = False  # is about to look at the line
        self._stall_timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Watch the lane."""
        self._lane.on_change = self.changed

    def close(self) -> None:
        """Give no slot away any more."""
        self._lane.on_change = None
        if self._stall_timer is not None:
            self._stall_timer.cancel()

    @property
    def pace_s(self) -> float:
        """What a slot is taken for, lately."""
        return self._lane.pace_s

    @property
    def granted(self) -> bool:
        """Whether slots are kept for other seats."""
        return bool(self._granted)

    # -- For requests of this worker ---------------------------------------------------------------

    def at_once(self) -> bool:
        """Whether a request may go to the lane now, without a promise. It must do so before the event loop turns."""
        if self._lane.jobs + self._promised < self.count and self._line.empty:
            return True
        if not self._quick():
            return False
        self._watch_stall()
        return True

    def use_promise(self) -> None:
        """The slot is taken by what runs until the event loop turns; by nobody, if that fails before its first job."""
        self._promised -= 1
        self._loop.call_soon(self.changed)

    def give_back(self) -> None:
        """A slot promised to a request of this worker is not needed."""
        self._promised -= 1
        self.changed()

    # -- For requests of other workers -------------------------------------------------------------

    def take_up(self, entry: Entry, granted_s: float) -> bool:
        """Whether the request that another worker hands over may run now.

        It may in the slot that it was promised; or, where nobody waits, in any that is free. But not when so much time
        has passed that its worker may have given this up.
        """
        promised = self._granted.pop(entry, None) is not None
        if promised:
            self.use_promise()
        if self._clock_ns() > granted_s * 1e9 + GRANT_NS:
            return False
        return promised or (self._lane.jobs + self._promised < self.count and self._line.empty)

    def declined(self, entry: Entry, granted_ns: int) -> None:
        """The other worker does not need the slot that it was promised at that time; it may have another since."""
        until_ns = self._granted.get(entry)
        if until_ns is not None and abs(until_ns - GRANT_NS - granted_ns) < _SAME_NS:
            self._forget(entry)

    def forget_grants(self) -> None:
        """Take slots back that were promised to a worker that has died, or does not move."""
        now_ns, states = self._clock_ns(), self._region.states
        gone = [e for e, until in self._granted.items() if until < now_ns or states[e.seat] == SeatState.EMPTY]
        for entry in gone:
            self._forget(entry)

    def _forget(self, entry: Entry) -> None:
        del self._granted[entry]
        self.give_back()

    # -- To the first in the line ------------------------------------------------------------------

    def changed(self) -> None:
        """A slot was taken, or got free."""
        self._region.busy[self._seat] = jobs = self._lane.jobs + self._promised
        if self._line.empty or self._pulling:
            return
        if jobs < self.count or (self._takers.waiting() and self._quick()):
            # Not now: those whose jobs have just come back go on first, and later chains are ahead of new requests.
            self._pulling = True
            self._pull_after_jobs()

    def pull(self, most: int | None = None) -> bool:
        """Give free slots to the first in the line, at most so many of them; whether there was any."""
        free = self.count - self._lane.jobs - self._promised
        if self._takers.waiting() and self._quick():
            self._keep_own()
            free = max(free, 1)  # it is about to be free; and with work of its own all the time it helps others too
        allowed = left = free if most is None else min(free, most)
        undelivered = []
        while left > 0 and not self._line.empty and (entry := self._line.pop(self._may_take)):
            if self._promise(entry):
                left -= 1
            elif entry.seat != self._seat:
                undelivered.append(entry)
        for entry in undelivered:
            self._line.put_back(entry)
        self._region.busy[self._seat] = self._lane.jobs + self._promised
        return left < allowed

    def _pull_later(self) -> None:
        self._pulling = False
        self.pull()

    def _may_take(self, seat: int) -> bool:
        """Whether a request of the seat may have a slot here. A draining worker helps only those that drain as well."""
        states = self._region.states
        return bool(states[self._seat] == SeatState.LIVE or seat == self._seat or states[seat] == SeatState.DRAINING)

    def _promise(self, entry: Entry) -> bool:
        self._promised += 1
        if entry.seat == self._seat:
            promised = self._takers.admit(entry.number)
        else:
            now_ns = self._clock_ns()
            promised = self._takers.grant(entry, now_ns)
            if promised:
                if entry in self._granted:  # nothing came of that, and word of it is on its way
                    self._promised -= 1
                self._granted[entry] = now_ns + GRANT_NS
        if not promised:
            self._promised -= 1
        return promised

    # -- Quick lanes -------------------------------------------------------------------------------

    def _quick(self) -> bool:
        """Whether this worker keeps its requests though its lane is busy: it is about to be free again."""
        return self._hasty and is_quick(self._lane.usual_s, self._idle_s())

    def _keep_own(self) -> None:
        """Take this worker's own requests to its lane, all of them, whoever is before them."""
        for entry in self._line.pop_all(self._seat):
            self._promise(entry)
        self._watch_stall()

    def _watch_stall(self) -> None:
        if self._stall_timer is None:
            self._stall_timer = self._loop.call_later(STALLED_S, self._look_for_stall)

    def _look_for_stall(self) -> None:
        """Send requests that were kept here to the line, if what should have been quick is not."""
        self._stall_timer = None
        if self._idle_s() >= STALLED_S:
            self._lane.send_away()
        elif self._lane.jobs + self._promised > self.count:
            self._watch_stall()

    def _idle_s(self) -> float:
        return self._clock_ns() / 1e9 - self._lane.latest_start_s
