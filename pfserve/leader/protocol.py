"""What a roster hears, the events, and what it answers, the actions. The leader makes the one and does the other."""

from __future__ import annotations

import msgspec

# -- Events ----------------------------------------------------------------------------------------


class Beat(msgspec.Struct, frozen=True):
    """The last beat of the worker on a seat, in monotonic seconds."""

    seat: int
    at_s: float


class BecameReady(msgspec.Struct, frozen=True):
    """The worker serves."""

    seat: int


class FailedToBoot(msgspec.Struct, frozen=True):
    """The worker says that it cannot get ready, and is about to exit."""

    seat: int
    exit_code: int
    message: str


class AskedReplacement(msgspec.Struct, frozen=True):
    """The worker still answers but is of no more use; if that is routine, it serves well and can wait."""

    seat: int
    reason: str
    is_routine: bool = False


class Exited(msgspec.Struct, frozen=True):
    """The process is reaped, or could not be forked. ``how`` is for people."""

    seat: int
    how: str


class AskedDrain(msgspec.Struct, frozen=True):
    """The instance goes down: this generation is to end by ``deadline_s``, which is monotonic."""

    delay_s: float
    deadline_s: float


class AskedRetire(msgspec.Struct, frozen=True):
    """A younger generation has taken over: this one is to give its connections to it, and end by ``deadline_s``."""

    deadline_s: float


Event = Beat | BecameReady | FailedToBoot | AskedReplacement | Exited | AskedDrain | AskedRetire


# -- Actions ---------------------------------------------------------------------------------------


class Spawn(msgspec.Struct, frozen=True):
    """Fork a worker for the seat."""

    seat: int


class Dump(msgspec.Struct, frozen=True):
    """Make the worker on the seat write its stacks to the log."""

    seat: int
    reason: str


class Kill(msgspec.Struct, frozen=True):
    """SIGKILL the worker on the seat."""

    seat: int
    reason: str


class TellDrain(msgspec.Struct, frozen=True):
    """Tell the worker on the seat to drain."""

    seat: int
    delay_s: float
    deadline_s: float
    reason: str


class TellRetire(msgspec.Struct, frozen=True):
    """Tell the worker on the seat to retire: others have taken over."""

    seat: int
    deadline_s: float
    reason: str


class Announce(msgspec.Struct, frozen=True):
    """All workers are ready, for the first time."""


class Halt(msgspec.Struct, frozen=True):
    """End the generation: kill who is left and exit."""

    exit_code: int
    message: str


Action = Spawn | Dump | Kill | TellDrain | TellRetire | Announce | Halt
