"""Whom to start, replace, drain and kill: the decisions of a leader. Time and events in, actions out.

Nothing is touched here: the leader performs the actions and reports what happens. A seat is a place for one worker
process; a generation has a few more seats than workers, so that a replacement can get ready before the worker it
replaces goes.
"""

from __future__ import annotations

import enum
import math
from collections import deque
from collections.abc import Iterable, Sequence

import msgspec

from pfserve.leader.protocol import (
    Action,
    Announce,
    AskedDrain,
    AskedReplacement,
    AskedRetire,
    Beat,
    BecameReady,
    Dump,
    Event,
    Exited,
    FailedToBoot,
    Halt,
    Kill,
    Spawn,
    TellDrain,
    TellRetire,
)
from pfserve.region import Departure


class Phase(enum.Enum):
    """Where the process on a seat is in its life, as its leader sees it."""

    EMPTY = "empty"
    BOOTING = "booting"  # forked, has not said Ready
    LIVE = "live"
    SPENT = "spent"  # stuck, or asked for its replacement: goes when that is ready
    LEAVING = "leaving"  # told to retire or to drain
    KILLED = "killed"  # SIGKILL is sent


MOVES: dict[Phase, frozenset[Phase]] = {
    Phase.EMPTY: frozenset({Phase.BOOTING}),
    Phase.BOOTING: frozenset({Phase.LIVE, Phase.SPENT, Phase.KILLED, Phase.EMPTY}),
    Phase.LIVE: frozenset({Phase.SPENT, Phase.LEAVING, Phase.EMPTY}),
    Phase.SPENT: frozenset({Phase.LEAVING, Phase.KILLED, Phase.EMPTY}),
    Phase.LEAVING: frozenset({Phase.KILLED, Phase.EMPTY}),
    Phase.KILLED: frozenset({Phase.EMPTY}),
}
"""The legal moves of a seat."""


class Patience(msgspec.Struct, frozen=True):
    """How long a roster waits, and how often it tries again."""

    boot_timeout_s: float  # from fork to Ready
    stuck_after_s: float  # without a beat
    finish_s: float  # a worker that was replaced may finish its requests for so long
    dump_s: float = 0.5  # between asking for a stack and killing
    young_s: float = 1.0  # a worker that dies earlier than this after Ready counts for the crash loop
    window_s: float = 30.0  # of the crash loop
    backoff_s: float = 0.1  # before the second respawn in the window; doubles
    longest_backoff_s: float = 1.0
    longest_boot_backoff_s: float = 10.0  # while others serve: each boot may compile the flow
    boot_deaths: int = 3  # silent deaths before any worker was ever ready
    replacement_window_s: float = 60.0
    recycle_pause_s: float = 5.0  # between two routine replacements
    late_s: float = 0.5  # a drained worker may be so late before it is killed
    own_pause_s: float = 5.0  # a leader that slept this long was itself stopped, and so were its workers


class Member:
    """One seat and the process on it."""

    def __init__(self, seat: int) -> None:
        self.seat = seat
        self.phase = Phase.EMPTY
        self.since_s = 0.0  # of the phase
        self.beat_s = 0.0
        self.leave_by_s = 0.0  # SPENT, LEAVING: killed when this has passed
        self.was_ready = False
        self.wish = ""  # why it asked for its replacement
        self.is_routine = False  # the wish, and later the reason, is
        self.reason = ""  # why it goes

    def move(self, phase: Phase, now_s: float) -> None:
        """Enter a phase."""
        assert phase in MOVES[self.phase], f"seat {self.seat}: {self.phase} -> {phase}"
        self.phase = phase
        self.since_s = now_s


class Roster:
    """The workers of one generation. Call :meth:`decide` with what happened; do what it says."""

    def __init__(self, seats: Sequence[int], workers: int, patience: Patience) -> None:
        assert len(seats) >= workers > 0
        self.workers = workers
        self._patience = patience
        self._members = {seat: Member(seat) for seat in seats}
        self._actions: list[Action] = []
        self._order: AskedDrain | AskedRetire | None = None  # to end the generation
        self._announced = False
        self._halted = False
        self._anyone_was_ready = False
        self._boot_deaths = 0
        self._failed_boots = 0  # in a row, while others serve
        self._young_deaths: deque[float] = deque()
        self._replacements: deque[float] = deque()
        self._recycle_after_s = 0.0
        self._spawn_after_s = 0.0
        self._decided_s: float | None = None
        self._trust_beats_after_s = 0.0

    def phase(self, seat: int) -> Phase:
        """Where the process on the seat is in its life."""
        return self._members[seat].phase

    def departure(self, seat: int) -> Departure:
        """How it is to be counted that the process on the seat has ended."""
        member = self._members[seat]
        if member.phase is Phase.LIVE or (member.phase is Phase.BOOTING and self._order is None):
            return Departure.CRASHED
        if member.is_routine:
            return Departure.RECYCLED
        return Departure.STUCK if self._order is None else Departure.DRAINED

    def wake_after_s(self, now_s: float) -> float:
        """How long the leader may sleep if nothing happens, in seconds."""
        waits = self._spawn_after_s > now_s and self._missing() > 0
        times = [self._spawn_after_s] if waits else []
        times += [m.leave_by_s for m in self._in(Phase.SPENT, Phase.LEAVING)]
        dumped = [m.since_s + self._patience.dump_s for m in self._in(Phase.SPENT)]
        times += [time_s for time_s in dumped if time_s > now_s]
        return min([1.0, *(max(0.0, time_s - now_s) for time_s in times)])

    def decide(self, now_s: float, events: Iterable[Event]) -> list[Action]:
        """Take note of the events, look at the clock, and say what is to be done, in this order."""
        if self._halted:
            return []
        self._actions = []
        self._notice_own_pause(now_s)
        for event in events:
            if not self._halted:
                self._note(now_s, event)
        if not self._halted:
            self._end(now_s) if self._order else self._keep(now_s)
        return self._actions

    # -- what happened

    def _note(self, now_s: float, event: Event) -> None:
        match event:
            case Beat(seat, at_s):
                self._members[seat].beat_s = max(at_s, self._members[seat].beat_s)
            case BecameReady(seat):
                self._note_ready(now_s, self._members[seat])
            case FailedToBoot(seat, exit_code, message):
                self._members[seat].reason = message
                if not self._anyone_was_ready:
                    self._halt(exit_code, message)
            case AskedReplacement(seat, reason, is_routine):
                self._note_wish(self._members[seat], reason, is_routine)
            case Exited(seat, how):
                self._note_exit(now_s, self._members[seat], how)
            case AskedDrain() | AskedRetire():
                self._note_order(now_s, event)

    def _note_ready(self, now_s: float, member: Member) -> None:
        if member.phase is not Phase.BOOTING:  # it was killed for being late, a moment ago
            return
        member.move(Phase.LIVE, now_s)
        member.beat_s = now_s
        member.was_ready = self._anyone_was_ready = True
        self._failed_boots = 0

    def _note_wish(self, member: Member, reason: str, is_routine: bool) -> None:
        if not is_routine or (member.phase is Phase.LIVE and not member.wish):  # it does not hide a serious one
            member.wish, member.is_routine = reason, is_routine

    def _note_exit(self, now_s: float, member: Member, how: str) -> None:
        phase, was_ready, reason = member.phase, member.was_ready, member.reason
        young = not was_ready or now_s - member.since_s < self._patience.young_s
        wanted = was_ready and phase is not Phase.LIVE
        member.move(Phase.EMPTY, now_s)
        member.was_ready, member.wish, member.reason, member.beat_s = False, "", "", 0.0
        member.is_routine = False
        if wanted or self._order is not None or not young:
            return
        if not was_ready and self._in(Phase.LIVE, Phase.SPENT):
            self._note_failed_boot(now_s)
            return
        self._note_young_death(now_s, f"the worker on seat {member.seat} {reason or how}", boot_hung=bool(reason))

    def _note_failed_boot(self, now_s: float) -> None:
        """What keeps a worker from booting, as a flow that is broken on disk, is no reason to end those that serve."""
        self._failed_boots += 1
        number = self._failed_boots + len(_within(self._young_deaths, now_s, self._patience.window_s))
        if number > 1:
            pause_s = self._patience.backoff_s * 2.0 ** min(number - 2, 30)
            self._spawn_after_s = now_s + min(pause_s, self._patience.longest_boot_backoff_s)

    def _note_young_death(self, now_s: float, what: str, *, boot_hung: bool) -> None:
        self._boot_deaths += 1
        if not self._anyone_was_ready and (boot_hung or self._boot_deaths >= self._patience.boot_deaths):
            self._halt(4, what)
            return
        deaths = _within(self._young_deaths, now_s, self._patience.window_s)
        deaths.append(now_s)
        if len(deaths) > 5 + 5 * self.workers:
            self._halt(6, f"{len(deaths)} workers died within {self._patience.window_s:g} s; the last: {what}")
        elif len(deaths) > 1:
            pause_s = self._patience.backoff_s * 2.0 ** (len(deaths) - 2)
            self._spawn_after_s = now_s + min(pause_s, self._patience.longest_backoff_s)

    def _note_order(self, now_s: float, order: AskedDrain | AskedRetire) -> None:
        """The generation is to end. A drain outdoes a retirement; of two drains the one that ends first counts."""
        if isinstance(self._order, AskedDrain) and (
            isinstance(order, AskedRetire) or order.deadline_s >= self._order.deadline_s
        ):
            return
        self._order = order
        for member in self._in(Phase.LIVE, Phase.SPENT, Phase.LEAVING, Phase.BOOTING):
            if not member.was_ready:
                self._kill(now_s, member, "the generation ends")
            elif isinstance(order, AskedDrain):
                self._send_off(now_s, member, order.deadline_s, "the instance stops")
                self._actions.append(TellDrain(member.seat, order.delay_s, order.deadline_s, member.reason))
            else:
                self._let_retire(now_s, member, order.deadline_s, "the next generation serves")

    # -- what is due

    def _end(self, now_s: float) -> None:
        for member in self._in(Phase.LEAVING):
            if now_s >= member.leave_by_s:
                self._kill(now_s, member, "did not finish by its deadline")
        if len(self._in(Phase.EMPTY)) == len(self._members):
            self._halt(0, "drained")

    def _keep(self, now_s: float) -> None:
        self._find_late_boots(now_s)
        self._find_worn(now_s)
        self._recycle(now_s)
        self._relieve(now_s)
        for member in self._in(Phase.LEAVING):
            if now_s >= member.leave_by_s:
                self._kill(now_s, member, f"was replaced ({member.reason}) and did not finish by its deadline")
        self._fill(now_s)
        if not self._announced and len(self._in(Phase.LIVE)) >= self.workers:
            self._announced = True
            self._actions.append(Announce())

    def _find_late_boots(self, now_s: float) -> None:
        for member in self._in(Phase.BOOTING):
            if now_s - member.since_s >= self._patience.boot_timeout_s:
                reason = f"did not get ready within {self._patience.boot_timeout_s:g} s"
                self._spend(now_s, member, self._patience.dump_s, reason)
                self._actions.append(Dump(member.seat, reason))

    def _find_worn(self, now_s: float) -> None:
        """Have those replaced that are stuck or asked for it. Their stacks tell the operator what they hang on."""
        for member in self._in(Phase.LIVE):
            stuck = self._stuck(now_s, member)
            member.is_routine = member.is_routine and not stuck
            if member.is_routine:
                continue
            reason = stuck or member.wish
            if reason and self._may_replace(now_s):
                self._replacements.append(now_s)
                self._spend(now_s, member, self._patience.boot_timeout_s, reason)
                self._actions.append(Dump(member.seat, reason))

    def _recycle(self, now_s: float) -> None:
        """Replace one of those that have served enough: one at a time, so that the others serve meanwhile.

        Two seats must be free, one of them for the replacement of a stuck worker: recycled ones may take long to go.
        """
        tired = [member for member in self._in(Phase.LIVE) if member.is_routine]
        busy = self._in(Phase.BOOTING, Phase.SPENT) or len(self._in(Phase.EMPTY)) < 2 or self._missing()
        if tired and not busy and now_s >= self._recycle_after_s:
            self._recycle_after_s = now_s + self._patience.recycle_pause_s
            self._spend(now_s, tired[0], math.inf, tired[0].wish)

    def _stuck(self, now_s: float, member: Member) -> str:
        age_s = now_s - member.beat_s
        if age_s <= self._patience.stuck_after_s or now_s < self._trust_beats_after_s:
            return ""
        return f"has not beaten for {age_s:.1f} s"

    def _may_replace(self, now_s: float) -> bool:
        """A bounded number a minute, and only while there is a seat for the replacement."""
        recent = _within(self._replacements, now_s, self._patience.replacement_window_s)
        return len(recent) < max(2, self.workers) and len(self._in(Phase.EMPTY)) > self._missing()

    def _relieve(self, now_s: float) -> None:
        """Let those go whose replacement is ready, or has not got ready in time."""
        for member in self._in(Phase.SPENT):
            stuck = self._stuck(now_s, member)
            relieved = member.was_ready and not self._missing() and not self._in(Phase.BOOTING)
            if not relieved and now_s < member.leave_by_s and not (member.is_routine and stuck):
                continue
            if member.was_ready and not stuck:
                self._let_retire(now_s, member, now_s + self._patience.finish_s, member.reason)
            elif now_s >= member.since_s + self._patience.dump_s:  # its stack is being written
                self._kill(now_s, member, member.reason)

    def _fill(self, now_s: float) -> None:
        if now_s < self._spawn_after_s:
            return
        for member in self._in(Phase.EMPTY)[: self._missing()]:
            member.move(Phase.BOOTING, now_s)
            self._actions.append(Spawn(member.seat))

    # -- steps

    def _spend(self, now_s: float, member: Member, within_s: float, reason: str) -> None:
        member.move(Phase.SPENT, now_s)
        member.leave_by_s = now_s + within_s
        member.reason = reason

    def _let_retire(self, now_s: float, member: Member, deadline_s: float, reason: str) -> None:
        self._send_off(now_s, member, deadline_s, reason)
        self._actions.append(TellRetire(member.seat, deadline_s, reason))

    def _send_off(self, now_s: float, member: Member, deadline_s: float, reason: str) -> None:
        if member.phase is not Phase.LEAVING:
            member.move(Phase.LEAVING, now_s)
        member.leave_by_s = deadline_s + self._patience.late_s
        member.reason = reason

    def _kill(self, now_s: float, member: Member, reason: str) -> None:
        member.move(Phase.KILLED, now_s)
        member.reason = reason
        self._actions.append(Kill(member.seat, reason))

    def _halt(self, exit_code: int, message: str) -> None:
        self._halted = True
        self._actions.append(Halt(exit_code, message))

    def _notice_own_pause(self, now_s: float) -> None:
        """After a stop of the whole tree every beat is old and nobody is stuck: let them beat again first."""
        if self._decided_s is not None and now_s - self._decided_s > self._patience.own_pause_s:
            self._trust_beats_after_s = now_s + self._patience.own_pause_s
        self._decided_s = now_s

    def _in(self, *phases: Phase) -> list[Member]:
        return [member for member in self._members.values() if member.phase in phases]

    def _missing(self) -> int:
        """How many workers are to be started: neither those that go nor those that come are missing twice."""
        return max(0, self.workers - len(self._in(Phase.BOOTING, Phase.LIVE)))


def _within(times: deque[float], now_s: float, window_s: float) -> deque[float]:
    """Drop the times that are older than the window."""
    while times and now_s - times[0] > window_s:
        times.popleft()
    return times
