"""What a generator process writes down: samples and stream events, in blocks for the recorder."""

from __future__ import annotations

import array
import time
from collections.abc import Callable

import msgspec

from ..blocks import EVENTS_HEAD, Kind, pack
from ..sample import LATE_LIMIT_NS, LAYOUT, NEVER, NOT_TOLD, Cause, Outcome
from .answer import Answer
from .shot import Shot

BATCH = 1024
EXCERPTS = 3  # of each status


class Ledger:
    """Buffers; whoever owns it calls :meth:`flush` now and then."""

    def __init__(self, process: int, write: Callable[[bytes], object]) -> None:
        self._process = process
        self._write = write
        self.zero_ns = 0
        self._buffer = bytearray(LAYOUT.size * BATCH)
        self._used_bytes = 0
        self._excerpts: dict[int, int] = {}

    def sample(self, shot: Shot, outcome: Outcome, cause: Cause, answer: Answer | None) -> None:
        """Record what came of a request, now."""
        zero_ns = self.zero_ns
        end_ns = time.monotonic_ns() - zero_ns
        first_ns, sent_ns = shot.first_ns, shot.sent_ns
        status = received = events = tokens = 0
        queue_us = run_us = NOT_TOLD
        if answer is not None:
            status, received = answer.status, answer.received_bytes
            queue_us, run_us = answer.queue_us, answer.run_us
            if answer.events is not None:
                events, tokens = len(answer.events.times_ns), answer.events.tokens
                self._stream(shot, answer.events.times_ns)
            if answer.excerpt:
                self._excerpt(status, answer.excerpt)
        LAYOUT.pack_into(
            self._buffer,
            self._used_bytes,
            shot.intended_ns - zero_ns,
            sent_ns - zero_ns if sent_ns != NEVER else NEVER,
            first_ns - zero_ns if first_ns != NEVER else NEVER,
            end_ns,
            shot.number & 0xFFFF_FFFF,
            min(shot.late_ns, LATE_LIMIT_NS),
            min(received, 0xFFFF_FFFF),
            events,
            tokens,
            status,
            outcome,
            cause,
            min(shot.attempt, 255),
            queue_us,
            run_us,
        )
        self._used_bytes += LAYOUT.size
        if self._used_bytes == len(self._buffer):
            self.flush()

    def flush(self) -> None:
        """Hand over what is buffered."""
        if self._used_bytes:
            self._write(pack(Kind.SAMPLES, self._process, memoryview(self._buffer)[: self._used_bytes]))
            self._used_bytes = 0

    def note(self, kind: Kind, content: object) -> None:
        """Hand over a block of JSON."""
        self._write(pack(kind, self._process, msgspec.json.encode(content)))

    def _stream(self, shot: Shot, times_ns: list[int]) -> None:
        offsets = array.array("I", [min((time_ns - shot.sent_ns) // 1000, 0xFFFF_FFFF) for time_ns in times_ns])
        intended_ns = shot.intended_ns - self.zero_ns
        head = EVENTS_HEAD.pack(intended_ns, shot.number & 0xFFFF_FFFF, min(shot.attempt, 255), len(offsets))
        self._write(pack(Kind.EVENTS, self._process, head + offsets.tobytes()))

    def _excerpt(self, status: int, excerpt: bytes) -> None:
        seen = self._excerpts[status] = self._excerpts.get(status, 0) + 1
        if seen <= EXCERPTS:
            self.note(Kind.EXCERPT, {"status": status, "text": excerpt.decode(errors="replace")})
