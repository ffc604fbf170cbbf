"""Server-sent events of one answer: when each was complete, and how many tokens they hold."""

from __future__ import annotations

import re

_END = re.compile(rb"\r\n\r\n|\n\n|\r\r")
_USAGE = re.compile(rb'"completion_tokens"\s*:\s*(\d{1,9})')


class Events:
    """A token is what the stream's own ``completion_tokens`` counts; without that, an event with data is one."""

    __slots__ = ("_held", "_told", "_with_data", "times_ns")

    def __init__(self) -> None:
        self.times_ns: list[int] = []
        self._with_data = 0
        self._told: int | None = None
        self._held = b""

    @property
    def tokens(self) -> int:
        """The tokens of the whole stream."""
        return self._with_data if self._told is None else self._told

    def feed(self, data: bytes, now_ns: int) -> None:
        """Take bytes of the stream. Events that come together were complete at the same time."""
        *events, self._held = _END.split(self._held + data)
        for event in events:
            self._note(event, now_ns)

    def _note(self, event: bytes, now_ns: int) -> None:
        lines = [line.strip() for line in event.splitlines() if line.startswith(b"data:")]
        if not lines or lines == [b"data: [DONE]"]:
            return  # a comment that keeps the connection alive, or the mark of the end
        self.times_ns.append(now_ns)
        self._with_data += 1
        if found := _USAGE.search(event):
            self._told = int(found[1])
