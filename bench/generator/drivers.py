"""Who decides that a request begins now: the schedule of an open load, or the users of a closed one."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator

from ..sample import Outcome
from ..schedule import Closed, arrivals
from ..workload import requests
from .crew import Crew
from .plan import Plan
from .shot import Shot
from .timer import Timer

BACK_OFF_S = 0.1  # a user without a connection does not hammer
BURST = 64  # requests begun in one go
_NS = 1_000_000_000


def _nobody(outcome: Outcome) -> None:
    """In an open load nobody waits for an answer."""


class Pacer:
    """An open load: this process takes every n-th request of the one schedule."""

    def __init__(self, plan: Plan, crew: Crew, timer: Timer) -> None:
        assert not isinstance(plan.load, Closed)
        self._plan = plan
        self._crew = crew
        self._timer = timer
        self._request = requests(plan.workload)
        self._times = enumerate(arrivals(plan.load, plan.span, plan.seed))
        self._mine = self._every_nth(plan.index, plan.processes)
        self._zero_ns = 0
        self._next = next(self._mine, None)

    def _every_nth(self, index: int, processes: int) -> Iterator[tuple[int, int]]:
        return ((number, int(time_s * _NS)) for number, time_s in self._times if number % processes == index)

    @property
    def is_over(self) -> bool:
        """Whether nothing more will begin."""
        return self._next is None

    def start(self, zero_ns: int) -> None:
        """The schedule's zero is at ``zero_ns``."""
        self._zero_ns = zero_ns
        if self._next is not None:
            self._timer.at(zero_ns + self._next[1], self._tick)

    def stop(self) -> None:
        """Begin nothing more."""
        self._next = None

    def _tick(self) -> None:
        """Everything that is due, what the clock reaches meanwhile too; but answers must be read in between."""
        submit, request = self._crew.submit, self._request
        left = BURST
        while (following := self._next) is not None:
            number, offset_ns = following
            intended_ns = self._zero_ns + offset_ns
            now_ns = time.monotonic_ns()
            if intended_ns > now_ns or not left:
                self._timer.at(intended_ns, self._tick)
                return
            left -= 1
            self._next = next(self._mine, None)
            submit(Shot(number, intended_ns, now_ns - intended_ns, request(number), _nobody))


class Users:
    """A closed load: every user asks, waits for the answer, thinks, asks again."""

    def __init__(self, plan: Plan, crew: Crew, timer: Timer) -> None:
        assert isinstance(plan.load, Closed)
        self._plan = plan
        self._load = plan.load
        self._crew = crew
        self._timer = timer
        self._request = requests(plan.workload)
        self._count = 0
        self._active = 0
        self._is_stopped = False
        self._left = None if plan.span.count is None else _share(plan.span.count, plan.index, plan.processes)
        self._warm_ns = self._end_ns = 0

    @property
    def is_over(self) -> bool:
        """Whether nothing more will begin."""
        return not self._active

    def start(self, zero_ns: int) -> None:
        """The users come in, evenly over the spread."""
        span = self._plan.span
        self._warm_ns = zero_ns + int(span.warm_up_s * _NS)
        self._end_ns = zero_ns + int(span.end_s * _NS) if span.end_s is not None else 1 << 62
        for user in range(self._plan.index, self._load.users, self._plan.processes):
            self._active += 1
            began_ns = zero_ns + int(self._load.spread_s * user / self._load.users * _NS)
            _User(self, random.Random((self._plan.seed << 32) | user)).come(began_ns)

    def stop(self) -> None:
        """Begin nothing more."""
        self._is_stopped = True
        self._active = 0

    def ask(self, user: _User, intended_ns: int) -> None:
        """One request of a user, or the end of it."""
        if self._is_stopped:
            return
        if intended_ns >= self._end_ns or self._left == 0:
            self._active -= 1
            return
        if self._left is not None and intended_ns >= self._warm_ns:
            self._left -= 1
        number = self._plan.index + self._count * self._plan.processes
        self._count += 1
        late_ns = max(0, time.monotonic_ns() - intended_ns)
        self._crew.submit(Shot(number, intended_ns, late_ns, self._request(number), user.answered))

    def thinks(self, dice: random.Random, outcome: Outcome) -> float:
        """How long a user pauses, in seconds."""
        think_s = self._load.think.draw(dice)
        return max(think_s, BACK_OFF_S) if outcome in (Outcome.CONNECTION, Outcome.DROPPED) else think_s

    def at(self, due_ns: int, user: _User) -> None:
        """Let a user ask at that time."""
        self._timer.at(due_ns, lambda: self.ask(user, due_ns))


class _User:
    """One of them."""

    __slots__ = ("_dice", "_users")

    def __init__(self, users: Users, dice: random.Random) -> None:
        self._users = users
        self._dice = dice

    def come(self, at_ns: int) -> None:
        self._users.at(at_ns, self)

    def answered(self, outcome: Outcome) -> None:
        pause_s = self._users.thinks(self._dice, outcome)
        now_ns = time.monotonic_ns()
        if pause_s:
            self._users.at(now_ns + int(pause_s * _NS), self)
        else:
            self._users.ask(self, now_ns)


def _share(count: int, index: int, processes: int) -> int:
    """What of ``count`` falls to process ``index``."""
    return count // processes + (index < count % processes)
