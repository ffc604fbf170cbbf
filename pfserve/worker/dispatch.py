"""Which slot runs a request: one of this worker, one of another worker, or the next that gets free in the line.

Every slot is given away by the worker that owns it, to the first in the line. A worker whose request finds no slot
puts it into the line and asks one with a free slot to look. Who looks takes the head out and tells the seat where it
waits: your request may run here. That seat then hands it over. So no slot is ever promised twice, and what a dead
worker has promised is gone with it.

Everything here runs on the worker's event loop, and only for plans that start with a blocking step.
"""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Callable, Mapping

from pfserve.admission.slots import expected_wait_s, freest
from pfserve.errors import TooManyRequests
from pfserve.execution import ThreadLane
from pfserve.region import Entry, Region, SeatState
from pfserve.web import Away
from pfserve.worker.inbox import STALE_AFTER_NS
from pfserve.worker.mailbox import Kind, Letter, Mailbox, stream_pair
from pfserve.worker.own_slots import OwnSlots

LOOK_AGAIN_S = 0.2  # a message can be lost with the worker it was for, or between two words of memory
LOOKS_IN_VAIN = 5  # until an entry that is missing in the line is put back: who took it out has died
LETTERS_PER_WAKE_UP = 64
OFFER_S = 0.005  # until what was offered to a worker shows in what it says of itself


class Waiter:
    """One request that needs a slot. ``entry`` is its place in the line, from when it first gets one."""

    __slots__ = ("arrived_s", "asked", "coming", "entered_s", "entry", "limit", "missing")

    def __init__(self, arrived_s: float) -> None:
        self.arrived_s = arrived_s
        self.entered_s = 0.0
        self.entry: Entry | None = None
        self.coming: asyncio.Future[Away | None] | None = None
        self.asked: int | None = None  # the seat that was asked to look, for its sake
        self.missing = 0  # looks that did not find it in the line
        self.limit: asyncio.TimerHandle | None = None


class Dispatch:
    """One worker's side of the line.

    ``timeout_s`` is the deadline of a request from its arrival, ``wait_limit_s`` how long one may wait in the line at
    most; ``hasty`` says that a request's first job can be taken back from the lane, ``branches`` that a request's next
    job may follow the last one two turns of the loop later; ``adopt`` gets the private streams
    that others open to this worker.
    """

    def __init__(
        self,
        *,
        loop: asyncio.AbstractEventLoop,
        region: Region,
        seat: int,
        mailboxes: Mapping[int, Mailbox],
        lane: ThreadLane,
        timeout_s: float,
        wait_limit_s: float | None,
        hasty: bool,
        branches: bool,
        adopt: Callable[[socket.socket], object],
        clock_ns: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        self._loop = loop
        self._region = region
        self._seat = seat
        self._epoch = region.epochs[seat]
        self._mailboxes = mailboxes
        self._others = [other for other in mailboxes if other != seat]
        self._line = region.line(seat)
        self._slots = OwnSlots(
            loop=loop,
            region=region,
            seat=seat,
            lane=lane,
            hasty=hasty,
            branches=branches,
            takers=self,
            clock_ns=clock_ns,
        )
        self._timeout_s = timeout_s
        self._wait_limit_s = wait_limit_s
        self._adopt = adopt
        self._clock_ns = clock_ns
        self._waiting: dict[int, Waiter] = {}  # by number: in the line, or somebody's grant is under way
        self._asked: dict[int, int] = {}  # seats: how many of those that wait have asked them to look
        self._timer: asyncio.TimerHandle | None = None
        # What web asks for on its way. Bound here: they need nothing of the dispatch itself.
        self.at_once = self._slots.at_once

    def start(self) -> None:
        """Read the mailbox and watch the lane."""
        self._loop.add_reader(self._mailboxes[self._seat], self._on_mail)
        self._slots.start()

    def close(self) -> None:
        """Take no request of others any more. Only once no connection of this worker is left."""
        self._loop.remove_reader(self._mailboxes[self._seat])
        self._slots.close()
        if self._timer is not None:
            self._timer.cancel()

    # -- For requests ------------------------------------------------------------------------------

    def enter(self, arrived_s: float) -> Waiter:
        """What stands for a request while it waits."""
        return Waiter(arrived_s)

    async def turn(self, waiter: Waiter) -> Away | None:
        """Wait for a slot. None: it is one of this worker, to be taken before the event loop turns.

        Called again with the same waiter, after what it was given did not come to anything, it waits ahead of all
        that came later.

        Raises:
            TooManyRequests: it waits too long, or would wait until after its deadline.
        """
        self._return_grant(waiter)
        if waiter.entry is None and (offer := self._offer(waiter)) is not None:
            return offer
        coming = waiter.coming = self._loop.create_future()
        self._enter(waiter)
        try:
            away: Away | None = await coming
        except asyncio.CancelledError:
            self._leave(waiter)
            raise
        if away is None:
            self._slots.use_promise()
        return away

    def take_up(self, seat: int, number: int, granted_s: float) -> bool:
        """Whether the request that another worker hands over may run now. It must do so before the event loop turns."""
        return self._slots.take_up(Entry(seat, number), granted_s)

    def open_stream(self, seat: int, epoch: int) -> socket.socket | None:
        """A private stream to the process on the seat; None if it takes none, or there is no descriptor for it."""
        try:
            ours, theirs = stream_pair()
        except OSError:
            return None
        sent = self._mailboxes[seat].put(Letter(Kind.STREAM, self._seat, self._epoch, epoch), theirs)
        theirs.close()
        if sent:
            return ours
        ours.close()
        return None

    # -- Past the line, where nobody waits ---------------------------------------------------------

    def _offer(self, waiter: Waiter) -> Away | None:
        """A slot that another worker seems to have: it says so, or not, when the request comes there."""
        seat = freest(self._live(), self._slots.count, self._region.busy, self._asked) if self._line.empty else None
        if seat is None:
            return None
        now_s = waiter.entered_s = self._clock_ns() / 1e9
        waiter.entry = self._line.reserve(self._seat)
        self._asked[seat] = self._asked.get(seat, 0) + 1
        self._loop.call_later(OFFER_S, self._forget_offer, seat)
        return Away(seat, self._region.epochs[seat], waiter.entry.number, self._seat, now_s)

    def _forget_offer(self, seat: int) -> None:
        if self._asked.get(seat):
            self._asked[seat] -= 1

    # -- Into the line and out of it ---------------------------------------------------------------

    def _enter(self, waiter: Waiter) -> None:
        if waiter.entry is None:
            self._refuse_hopeless(waiter)
            waiter.entry = self._line.push(self._seat)
            waiter.entered_s = self._clock_ns() / 1e9
        else:
            self._line.put_back(waiter.entry)
        if self._wait_limit_s is not None:
            left_s = waiter.entered_s + self._wait_limit_s - self._clock_ns() / 1e9
            waiter.limit = self._loop.call_later(max(0.0, left_s), self._waited_too_long, waiter)
        waiter.missing = 0
        self._waiting[waiter.entry.number] = waiter
        self._arm()
        self._slots.pull()  # seen after the push: a slot that got free just before has not seen it
        if waiter.entry.number in self._waiting:
            self._ask(waiter)

    def _refuse_hopeless(self, waiter: Waiter) -> None:
        left_s = waiter.arrived_s + self._timeout_s - self._clock_ns() / 1e9
        wait_s = self._expected_wait_s()
        if wait_s > left_s:
            raise TooManyRequests(
                f"The request would wait about {wait_s:.1f} s for a slot, but only {max(left_s, 0):.1f} s are left of "
                f"{self._timeout_s:g} s, the request timeout. Try again later.",
                wait_s,
                cause="deadline",
            )

    def _expected_wait_s(self) -> float:
        slots = self._slots.count * (1 + len(self._live()))
        return expected_wait_s(len(self._line), self._slots.pace_s, slots)

    def _waited_too_long(self, waiter: Waiter) -> None:
        coming = waiter.coming
        if coming is None or coming.done():
            return
        self._leave(waiter)
        coming.set_exception(
            TooManyRequests(
                f"The request waited {self._wait_limit_s or 0:g} s for a slot, the longest that one may wait "
                "(--max-queue-wait-ms). Try again later.",
                self._expected_wait_s(),
                cause="wait",
            )
        )

    def _return_grant(self, waiter: Waiter) -> None:
        """What it was granted came to nothing. Whoever keeps a slot for it, as it heard nothing, need not any more."""
        granted, waiter.coming = waiter.coming, None
        if granted is not None and _has_come(granted) and (away := granted.result()) is not None:
            self._decline(away)

    def _leave(self, waiter: Waiter) -> None:
        """The request does not want its turn any more."""
        assert waiter.entry is not None
        self._settle(waiter)
        if self._waiting.pop(waiter.entry.number, None) is not None:
            self._line.cancel(waiter.entry)
        elif waiter.coming is not None and _has_come(waiter.coming):
            away = waiter.coming.result()
            if away is None:
                self._slots.give_back()
            else:
                self._decline(away)

    # -- For the slots of this worker --------------------------------------------------------------

    def waiting(self) -> bool:
        """Whether requests of this worker wait in the line."""
        return bool(self._waiting)

    def admit(self, number: int, away: Away | None = None) -> bool:
        """Tell a request of this worker that its turn has come. False if it does not wait any more."""
        waiter = self._waiting.pop(number, None)
        if waiter is None or waiter.coming is None or waiter.coming.done():
            return False
        self._settle(waiter)
        waiter.coming.set_result(away)
        return True

    def grant(self, entry: Entry, now_ns: int) -> bool:
        """Tell another seat that its request may run here. False if it cannot be told now."""
        self._arm()
        return self._write(Kind.GRANT, entry.seat, self._region.epochs[entry.seat], entry.number, now_ns)

    # -- Letters -----------------------------------------------------------------------------------

    def _on_mail(self) -> None:
        mailbox = self._mailboxes[self._seat]
        for _ in range(LETTERS_PER_WAKE_UP):
            taken = mailbox.take()
            if taken is None:
                return
            letter, stream = taken
            if letter.epoch == self._epoch:
                self._read(letter, stream)
            elif stream is not None:
                stream.close()

    def _read(self, letter: Letter, stream: socket.socket | None) -> None:
        match letter.kind:
            case Kind.LOOK:
                self._look()
            case Kind.GRANT:
                self._take_grant(letter)
            case Kind.DECLINE:
                self._slots.declined(Entry(letter.sender, letter.number), letter.sent_ns)
            case Kind.STREAM if stream is not None:
                self._adopt(stream)

    def _look(self) -> None:
        """Give a slot to the first in the line. Where the last one has just been taken, ask the next worker."""
        if not self._slots.pull(1) and not self._line.empty:
            seat = freest(self._live(), self._slots.count, self._region.busy, self._asked)
            if seat is not None:
                self._write(Kind.LOOK, seat, self._region.epochs[seat])

    def _take_grant(self, letter: Letter) -> None:
        away = Away(letter.sender, letter.sender_epoch, letter.number, self._seat, letter.sent_ns / 1e9)
        if not self.admit(letter.number, away):
            self._decline(away)

    def _ask(self, waiter: Waiter) -> None:
        """Ask the worker with the most free slots to look at the line."""
        seat = freest(self._live(), self._slots.count, self._region.busy, self._asked)
        if seat is not None and self._write(Kind.LOOK, seat, self._region.epochs[seat]):
            waiter.asked = seat
            self._asked[seat] = self._asked.get(seat, 0) + 1

    def _settle(self, waiter: Waiter) -> None:
        """It does not wait any more: let go of what was set up for it."""
        if waiter.limit is not None:
            waiter.limit.cancel()
            waiter.limit = None
        if waiter.asked is not None:
            self._forget_offer(waiter.asked)
            waiter.asked = None

    def _live(self) -> list[int]:
        states, beats, exhausted = self._region.states, self._region.beats, self._region.exhausted
        oldest_ns = self._clock_ns() - STALE_AFTER_NS
        live = [seat for seat in self._others if states[seat] == SeatState.LIVE and beats[seat] >= oldest_ns]
        return [seat for seat in live if not exhausted[seat]]  # it could take no private stream

    def _decline(self, away: Away) -> None:
        self._write(Kind.DECLINE, away.seat, away.epoch, away.number, round(away.granted_s * 1e9))

    def _write(self, kind: Kind, seat: int, epoch: int, number: int = 0, sent_ns: int = 0) -> bool:
        return self._mailboxes[seat].put(Letter(kind, self._seat, self._epoch, epoch, number, sent_ns))

    # -- What messages may have missed -------------------------------------------------------------

    def _arm(self) -> None:
        if self._timer is None:
            self._timer = self._loop.call_later(LOOK_AGAIN_S, self._look_again)

    def _look_again(self) -> None:
        self._timer = None
        self._slots.forget_grants()
        if self._waiting:
            self._find_missing()
            self._slots.pull()
            self._ask_again()
        if self._waiting or self._slots.granted:
            self._arm()

    def _ask_again(self) -> None:
        self._asked.clear()
        for waiter in self._waiting.values():
            waiter.asked = None
        for waiter in list(self._waiting.values())[: self._slots.count * len(self._others)]:
            self._ask(waiter)

    def _find_missing(self) -> None:
        """Put requests back whose entry somebody took out of the line without a word coming of it."""
        numbers = {entry.number for entry in self._line.entries() if entry.seat == self._seat}
        for number, waiter in self._waiting.items():
            waiter.missing = 0 if number in numbers else waiter.missing + 1
            if waiter.missing >= LOOKS_IN_VAIN and waiter.entry is not None:
                waiter.missing = 0
                self._line.put_back(waiter.entry)


def _has_come(coming: asyncio.Future[Away | None]) -> bool:
    return coming.done() and not coming.cancelled() and coming.exception() is None
