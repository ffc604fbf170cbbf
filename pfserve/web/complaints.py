"""Log lines that clients could cause at any rate."""

from __future__ import annotations

import logging
from collections.abc import Callable

_log = logging.getLogger(__name__)


class Complaints:
    """Says things in the log, each at most once a second per cause. ``clock`` gives monotonic seconds."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._next_s: dict[int, float] = {}

    def say(self, cause: int, text: str, *values: object) -> None:
        """Log, unless the same cause was logged within the last second."""
        now_s = self._clock()
        if now_s >= self._next_s.get(cause, 0.0):
            self._next_s[cause] = now_s + 1.0
            _log.warning(text, *values)
