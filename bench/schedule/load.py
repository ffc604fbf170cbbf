"""What is asked for: how requests come, how they begin, when they end."""

from __future__ import annotations

import enum
import random

import msgspec

from ..durations import seconds
from ..mistake import Mistake
from .shape import Shape


class Spacing(enum.Enum):
    """How the requests of an open load lie within its rate."""

    CONSTANT = "constant"
    POISSON = "poisson"


class Open(msgspec.Struct, frozen=True, tag="open"):
    """Requests come at a rate, whether or not earlier ones were answered."""

    shape: Shape
    spacing: Spacing = Spacing.CONSTANT


class Trace(msgspec.Struct, frozen=True, tag="trace"):
    """Requests come when they came once."""

    offsets_s: tuple[float, ...]  # ascending, from 0, speed applied


class Thinking(enum.Enum):
    """How long a user waits between an answer and the next request."""

    CONSTANT = "constant"
    EXPONENTIAL = "exp"


class Think(msgspec.Struct, frozen=True):
    """Its mean, and its kind."""

    mean_s: float = 0.0
    kind: Thinking = Thinking.CONSTANT

    @classmethod
    def parse(cls, text: str) -> Think:
        """``1s`` or ``exp:1s``. Raises Mistake."""
        kind, colon, length = text.rpartition(":")
        if colon and kind not in {each.value for each in Thinking}:
            raise Mistake(f"--think {text}: write 1s, or exp:1s for an exponential distribution")
        return cls(seconds(length), Thinking(kind) if colon else Thinking.CONSTANT)

    def draw(self, dice: random.Random) -> float:
        """One time to think, in seconds."""
        if self.kind is Thinking.CONSTANT or not self.mean_s:
            return self.mean_s
        return dice.expovariate(1 / self.mean_s)


class Closed(msgspec.Struct, frozen=True, tag="closed"):
    """Users who each wait for the answer, think, and ask again. They come in evenly over ``spread_s``."""

    users: int
    think: Think = Think()
    spread_s: float = 0.0


Load = Open | Trace | Closed


class Span(msgspec.Struct, frozen=True):
    """How long. The warm-up comes first and is recorded apart; ``measured_s`` or ``count`` says what follows it."""

    warm_up_s: float = 0.0
    measured_s: float | None = None
    count: int | None = None  # of measured requests

    @property
    def end_s(self) -> float | None:
        """No request is meant to begin at this time or later; None: the count or the trace decides."""
        return None if self.measured_s is None else self.warm_up_s + self.measured_s
