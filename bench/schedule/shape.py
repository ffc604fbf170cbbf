"""How the rate of an open load runs over time: straight lines, one after the other.

The expected number of requests up to time t is the area L(t) under them. A request whose count is n belongs at the t
with L(t) = n. Counts 0, 1, 2, ... give even spacing; counts with exponential gaps of mean 1 give a Poisson process.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator

import msgspec

from ..durations import seconds
from ..mistake import Mistake

_NUMBER = r"(?:\d+(?:\.\d*)?|\.\d+)"
_RATE = re.compile(rf"({_NUMBER})(?:\.\.({_NUMBER}))?(?:x(.+))?")


class Segment(msgspec.Struct, frozen=True):
    """A straight line: the rate goes from one value to another."""

    lasts_s: float
    from_per_s: float
    to_per_s: float

    @property
    def count(self) -> float:
        """The requests expected in it."""
        return self.lasts_s * (self.from_per_s + self.to_per_s) / 2

    def when(self, count: float) -> float:
        """Seconds into the segment by which ``count`` requests are expected."""
        if count <= 0:
            return 0.0
        slope = (self.to_per_s - self.from_per_s) / self.lasts_s
        root = math.sqrt(max(0.0, self.from_per_s**2 + 2 * slope * count))
        return 2 * count / (self.from_per_s + root)


class Shape(msgspec.Struct, frozen=True):
    """Segments, one after the other."""

    segments: tuple[Segment, ...]

    @property
    def lasts_s(self) -> float:
        """From the first to the end of the last."""
        return sum(segment.lasts_s for segment in self.segments)

    def after(self, warm_up_s: float) -> Shape:
        """The same after a time at the rate that it begins with."""
        if not warm_up_s:
            return self
        rate = self.segments[0].from_per_s
        return Shape((Segment(warm_up_s, rate, rate), *self.segments))

    def times(self, counts: Iterable[float]) -> Iterator[float]:
        """The time of each count, until the shape ends. The counts must grow."""
        segments = iter(self.segments)
        segment, began_s, before = next(segments), 0.0, 0.0
        for count in counts:
            while count - before >= segment.count:
                began_s, before = began_s + segment.lasts_s, before + segment.count
                following = next(segments, None)
                if following is None:
                    return
                segment = following
            yield began_s + segment.when(count - before)


def parse(text: str, lasts_s: float | None) -> Shape:
    """``200``, ``10..500`` (a ramp), or a list with lengths: ``100x10s,1000x2s,100..300x10s``.

    ``lasts_s`` is the length of a single one that has none. Raises Mistake.
    """
    parts = text.split(",")
    segments = tuple(_segment(part.strip(), lasts_s if len(parts) == 1 else None, text) for part in parts)
    if not any(segment.count for segment in segments):
        raise Mistake(f"--rate {text}: that is no request at all")
    return Shape(segments)


def _segment(part: str, lasts_s: float | None, text: str) -> Segment:
    found = _RATE.fullmatch(part)
    if not found:
        raise Mistake(f"--rate {text}: {part!r} is no rate; write 200, 10..500, or 100x10s,1000x2s")
    low, high, length = found.groups()
    if length is None and lasts_s is None:
        raise Mistake(f"--rate {text}: {part!r} has no length; write {part}x10s")
    own_s = seconds(length) if length is not None else lasts_s
    if not own_s:
        raise Mistake(f"--rate {text}: {part!r} lasts no time")
    return Segment(own_s, float(low), float(high if high is not None else low))
