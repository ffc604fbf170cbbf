"""What a child and its parent say to each other: a leader and the master, a worker and its leader."""

from __future__ import annotations

import msgspec


class Compiled(msgspec.Struct, frozen=True, tag=True):
    """Up, from a leader: user code is imported and the plan compiled; all empty if that is left to the workers."""

    name: str = ""
    kind: str = ""
    fingerprint: str = ""
    steps: int = 0


class Unshareable(msgspec.Struct, frozen=True, tag=True):
    """Up, from a leader: user code left something that a fork would break. Compile in each worker instead."""

    reason: str


class Waits(msgspec.Struct, frozen=True, tag=True):
    """Up: the flow cannot be compiled yet; its leader serves the reason, or ends, if another generation serves."""

    reason: str


class TryAgain(msgspec.Struct, frozen=True, tag=True):
    """Up: somebody asked a generation that waits; its reason may have gone."""


class Ready(msgspec.Struct, frozen=True, tag=True):
    """Up: the worker serves; from a leader: all of its workers do."""


class BootFailed(msgspec.Struct, frozen=True, tag=True):
    """Up: this process cannot get ready, or cannot go on, and ends with ``exit_code``."""

    exit_code: int
    message: str  # one line
    detail: str = ""  # many, where there are more


class Replace(msgspec.Struct, frozen=True, tag=True):
    """Up, from a worker: start another one in my place, then retire me."""

    reason: str
    is_routine: bool = False  # it serves well and can wait: it has only served, or grown, enough


class Drain(msgspec.Struct, frozen=True, tag=True):
    """Down: serve normally for ``delay_s``, then take nothing new, finish, and end by ``deadline_ns`` (monotonic)."""

    delay_s: float
    deadline_ns: int


class Retire(msgspec.Struct, frozen=True, tag=True):
    """Down: others have taken over. Serve on, give every connection away, and end by ``deadline_ns`` (monotonic)."""

    deadline_ns: int


Message = Compiled | Unshareable | Waits | TryAgain | Ready | BootFailed | Replace | Drain | Retire
