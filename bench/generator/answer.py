"""An HTTP/1.1 answer, read as its bytes come. No socket and no clock."""

from __future__ import annotations

import enum
import re

from ..sample import NOT_TOLD
from .events import Events

HEAD_LIMIT_BYTES = 64 * 1024
EXCERPT_BYTES = 400
_STATUS_LINE = re.compile(rb"HTTP/1\.[01] (\d\d\d)(?: |\r|$)")
_NUMBER = re.compile(rb"\d{1,18}")
_TIMING = b"\r\nserver-timing:"
_QUOTED = re.compile(rb'"(?:[^"\\]|\\.)*"')
_DURATION = re.compile(
    rb"(?:^|,)\s*(queue|wait|run|app)\s*(?:;[^,]*)?;\s*dur\s*=\s*(\d{1,9}(?:\.\d{1,9})?)\s*(?=[,;]|$)"
)
_QUEUES = (b"queue", b"wait")  # the others are running
_CHUNK_SIZE = re.compile(rb"([0-9a-fA-F]{1,12})\s*(?:;.*)?")


class Malformed(Exception):
    """That is no HTTP/1.1."""


class _Body(enum.Enum):
    """How the end of the body is told."""

    LENGTH = 1
    CHUNKS = 2
    CLOSE = 3


class Answer:
    """The answer to one request; :meth:`clear` makes it ready for the next on the same connection."""

    __slots__ = (
        "_body", "_held", "_is_head", "_left", "events", "excerpt", "is_kept", "queue_us", "received_bytes",
        "retry_after_s", "run_us", "status", "surplus",
    )  # fmt: skip

    def __init__(self, *, is_head: bool = False) -> None:
        self._is_head = is_head  # to a HEAD request: no body, whatever is said of its length
        self.clear()

    def clear(self) -> None:
        """Forget everything."""
        self.status = 0
        self.is_kept = True  # the connection may be used again
        self.received_bytes = 0
        self.retry_after_s: float | None = None
        self.queue_us = self.run_us = NOT_TOLD  # what the server says
        self.events: Events | None = None  # of a stream
        self.excerpt = b""  # of an answer that is no success
        self.surplus = False  # bytes came after the end
        self._held = b""
        self._left = 0
        self._body = _Body.LENGTH

    def feed(self, data: bytes, now_ns: int) -> bool:
        """Take bytes; tell whether the answer is whole. Raises Malformed."""
        while not self.status:
            if self._held:
                data, self._held = self._held + data, b""
            end = data.find(b"\r\n\r\n")
            if end < 0:
                return self._wait_for_head(data)
            self._read_head(data[: end + 2])
            data = data[end + 4 :]
            if 100 <= self.status < 200:
                self.status = 0  # the answer is still to come
        if self._body is _Body.LENGTH:
            return self._take_length(data, now_ns)
        if self._body is _Body.CHUNKS:
            return self._take_chunks(data, now_ns)
        self._take(data, now_ns)
        return False

    def closed(self) -> bool:
        """The connection ended: tell whether that was the end of the answer."""
        return bool(self.status) and self._body is _Body.CLOSE

    # -- head --------------------------------------------------------------------------------------

    def _wait_for_head(self, data: bytes) -> bool:
        if len(data) > HEAD_LIMIT_BYTES or not (data.startswith(b"HTTP/1.") or b"HTTP/1.".startswith(data[:7])):
            raise Malformed
        self._held = data
        return False

    def _read_head(self, head: bytes) -> None:
        found = _STATUS_LINE.match(head)
        if not found:
            raise Malformed
        self.status = status = int(found[1])
        head = head.lower()
        if head.startswith(b"http/1.0") or (b"close" in head and b"close" in (_field(head, b"\r\nconnection:") or b"")):
            self.is_kept = False
        if status != 200:
            self._read_retry_after(head)
        if status >= 200 and (at := head.find(_TIMING)) >= 0:
            self._read_timing(head, at)
        if self._is_head or status < 200 or status in (204, 304):
            return
        length = _field(head, b"\r\ncontent-length:")
        if head.find(b"\r\ntransfer-encoding:") >= 0:
            self._body = _Body.CHUNKS
        elif length is None:
            self._body, self.is_kept = _Body.CLOSE, False
        elif not _NUMBER.fullmatch(length):
            raise Malformed
        else:
            self._left = int(length)
        if (kind := _field(head, b"\r\ncontent-type:")) and kind.startswith(b"text/event-stream"):
            self.events = Events()

    def _read_retry_after(self, head: bytes) -> None:
        for name, unit_s in ((b"\r\nretry-after-ms:", 1e-3), (b"\r\nretry-after:", 1.0)):
            value = _field(head, name)
            if value is not None and _NUMBER.fullmatch(value):
                self.retry_after_s = int(value) * unit_s
                return

    def _read_timing(self, head: bytes, at: int) -> None:
        """``Server-Timing`` (W3C), the first of its fields at ``at``: of each time the first metric that names it."""
        while at >= 0:
            end = head.find(b"\r\n", at + len(_TIMING))
            line = head[at + len(_TIMING) : end]
            for name, duration_ms in _DURATION.findall(_QUOTED.sub(b"", line) if b'"' in line else line):
                duration_us = min(int(float(duration_ms) * 1000 + 0.5), NOT_TOLD - 1)
                if name in _QUEUES:
                    self.queue_us = duration_us if self.queue_us == NOT_TOLD else self.queue_us
                else:
                    self.run_us = duration_us if self.run_us == NOT_TOLD else self.run_us
            at = head.find(_TIMING, end)

    # -- body --------------------------------------------------------------------------------------

    def _take(self, data: bytes, now_ns: int) -> None:
        self.received_bytes += len(data)
        if self.events is not None:
            self.events.feed(data, now_ns)
        if self.status >= 300 and len(self.excerpt) < EXCERPT_BYTES:
            self.excerpt = (self.excerpt + data)[:EXCERPT_BYTES]

    def _take_length(self, data: bytes, now_ns: int) -> bool:
        left = self._left - len(data)
        if left < 0:
            self.surplus = True
            data, left = data[: self._left], 0
        self._left = left
        self._take(data, now_ns)
        return not left

    def _take_chunks(self, data: bytes, now_ns: int) -> bool:
        """``_left`` is what is missing of a chunk and its line end; 0 before the line that says a chunk's size."""
        data, self._held = self._held + data, b""
        at = 0
        while at < len(data):
            if self._left:
                at = self._take_of_chunk(data, at, now_ns)
                continue
            end = data.find(b"\r\n", at)
            if end < 0:
                break
            found = _CHUNK_SIZE.fullmatch(data, at, end)
            if not found:
                raise Malformed
            size = int(found[1], 16)
            if not size:
                return self._take_trailer(data, at, end)
            at, self._left = end + 2, size + 2
        self._held = data[at:]
        if len(self._held) > HEAD_LIMIT_BYTES:
            raise Malformed
        return False

    def _take_of_chunk(self, data: bytes, at: int, now_ns: int) -> int:
        """Take what is there of the chunk; gives the place after it."""
        end = min(len(data), at + self._left)
        payload_end = min(end, at + max(0, self._left - 2))
        if payload_end > at:
            self._take(data[at:payload_end], now_ns)
        if not b"\r\n"[2 - (self._left - (payload_end - at)) :].startswith(data[payload_end:end]):
            raise Malformed
        self._left -= end - at
        return end

    def _take_trailer(self, data: bytes, at: int, end: int) -> bool:
        """After the last chunk: fields that nobody reads, and an empty line."""
        if data.startswith(b"\r\n", end + 2):
            self.surplus = len(data) > end + 4
            return True
        last = data.find(b"\r\n\r\n", end)
        if last < 0:
            self._held = data[at:]
            return False
        self.surplus = len(data) > last + 4
        return True


def _field(head: bytes, name: bytes) -> bytes | None:
    """The value of a field of a lower-case head; ``name`` begins with the line end and ends with the colon."""
    at = head.find(name)
    if at < 0:
        return None
    at += len(name)
    return head[at : head.find(b"\r\n", at)].strip()
