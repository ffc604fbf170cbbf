"""Content negotiation: which kinds of answer a client's ``Accept`` header admits."""

from __future__ import annotations

import enum
from functools import lru_cache

_JSON_RANGES = frozenset({"application/json", "application/*", "*/*"})
_EVENT_STREAM = "text/event-stream"


class Wanted(enum.Flag):
    """The kinds of answer that a client accepts."""

    NOTHING = 0  # nothing that a flow can give
    JSON = enum.auto()
    EVENTS = enum.auto()  # only if asked for by name: wildcards never select an event stream


def media_ranges(accept: str) -> list[str]:
    """The media ranges of an ``Accept`` value, lower case and without their parameters."""
    bare = (part.partition(";")[0].strip().lower() for part in accept.split(","))
    return [media_range for media_range in bare if media_range]


@lru_cache(maxsize=64)
def negotiate(accept: str) -> Wanted:
    """What an ``Accept`` value admits. An empty one admits JSON."""
    ranges = media_ranges(accept) or ["*/*"]
    wanted = Wanted.NOTHING
    if not _JSON_RANGES.isdisjoint(ranges):
        wanted |= Wanted.JSON
    if _EVENT_STREAM in ranges:
        wanted |= Wanted.EVENTS
    return wanted


def unacceptable_message(accept: str) -> str:
    """The sentence of promptflow for status 406. JSON is what every flow can give."""
    asked = ",".join(media_ranges(accept))
    return f"Media type {asked} in Accept header is not acceptable. Supported media type(s) - application/json"
