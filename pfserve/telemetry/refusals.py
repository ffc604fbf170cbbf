"""How often a repeated event is told: once a second per cause, with the number of those not told."""

from __future__ import annotations


class OnceASecond:
    """Counts events by cause. Owns no clock; causes are names in the code, so few."""

    def __init__(self) -> None:
        self._told_s: dict[str, float] = {}
        self._waiting: dict[str, int] = {}

    def count(self, cause: str, now_s: float) -> int:
        """Count one event; give the number to tell now, those held back included, or 0 to stay silent.

        ``now_s`` is the monotonic clock in seconds.
        """
        events = self._waiting.get(cause, 0) + 1
        told_s = self._told_s.get(cause)
        if told_s is not None and now_s < told_s + 1.0:
            self._waiting[cause] = events
            return 0
        self._told_s[cause] = now_s
        self._waiting[cause] = 0
        return events
