"""Server-sent events of one answer: when each was complete, and how many tokens they hold."""

from __future__ import annotations

import re

_END = re.compile(rb"\r\n\r\n|\n\n|\r\r")
EVENT_LIMIT_BYTES = 1 << 20  # of a longer event only the beginning is kept
_OF_AN_END = 3  # bytes that may be there of an end that is not whole
_USAGE = re.compile(rb'"completion_tokens"\s*:\s*(\d{1,9})')


class Events:
    """A token is what the stream's own ``completion_tokens`` counts; without that, an event with data is one."""

    __slots__ = ("_held", "_held_bytes", "_last", "_told", "_with_data", "times_ns")

    def __init__(self) -> None:
        self.times_ns: list[int] = []
        self._with_data = 0
        self._told: int | None = None
        self._held: list[bytes] = []
        self._held_bytes = 0
        self._last = b""

    @property
    def tokens(self) -> int:
        """The tokens of the whole stream."""
        return self._with_data if self._told is None else self._told

    def feed(self, data: bytes, now_ns: int) -> None:
        """Take bytes of the stream. Events that come together were complete at the same time."""
        data = self._last + data
        if not _END.search(data):
            self._add(data)
            return
        *events, rest = _END.split(b"".join((*self._held, data)))
        for event in events:
            self._note(event, now_ns)
        self._held, self._held_bytes = [], 0
        self._add(rest)

    def _add(self, data: bytes) -> None:
        """More of an event. Its last bytes stay apart: the end may come in pieces."""
        if self._held_bytes < EVENT_LIMIT_BYTES:
            self._held.append(data[:-_OF_AN_END])
            self._held_bytes += len(data)
        self._last = data[-_OF_AN_END:]

    def _note(self, event: bytes, now_ns: int) -> None:
        lines = [line.strip() for line in event.splitlines() if line.startswith(b"data:")]
        if not lines or lines == [b"data: [DONE]"]:
            return  # a comment that keeps the connection alive, or the mark of the end
        self.times_ns.append(now_ns)
        self._with_data += 1
        if found := _USAGE.search(event):
            self._told = int(found[1])
