"""One request on its way, from the moment that it is taken up to its sample."""

from __future__ import annotations

from collections.abc import Callable

from ..sample import NEVER, Cause, Outcome
from .answer import Answer

Ended = Callable[[Outcome], None]  # told what came of it, after it was recorded


class Shot:
    """Times are on the monotonic clock."""

    __slots__ = (
        "attempt", "bytes", "ended", "first_ns", "intended_ns", "late_ns", "number", "sent_ns", "waits_since_ns",
    )  # fmt: skip

    def __init__(self, number: int, intended_ns: int, late_ns: int, request: bytes, ended: Ended) -> None:
        self.number = number
        self.intended_ns = intended_ns
        self.late_ns = late_ns
        self.bytes = request
        self.ended = ended
        self.attempt = 0
        self.waits_since_ns = intended_ns  # the client's patience runs from here
        self.sent_ns = NEVER
        self.first_ns = NEVER

    def again(self, now_ns: int) -> Shot:
        """The next attempt. Latency still counts from the first one's intended start, patience from now."""
        shot = Shot(self.number, self.intended_ns, 0, self.bytes, self.ended)
        shot.attempt = self.attempt + 1
        shot.waits_since_ns = now_ns
        return shot


def cause_of(problem: BaseException | None, answer: Answer) -> Cause:
    """Why a connection that was lost with a request on it was lost."""
    if isinstance(problem, ConnectionResetError | BrokenPipeError):
        return Cause.RESET
    return Cause.CUT if answer.status else Cause.CLOSED
