"""How much was served lately: a sliding window over a counter."""

from __future__ import annotations

from collections import deque

WINDOW_S = 5.0


class ServedWindow:
    """Remembers readings of a counter that only grows, for ``WINDOW_S`` seconds and one reading more."""

    __slots__ = ("_readings",)

    def __init__(self, now_s: float, count: int) -> None:
        self._readings: deque[tuple[float, int]] = deque([(now_s, count)])

    def observe(self, now_s: float, count: int) -> None:
        """Note a reading. About once a second is enough; the window is as exact as the readings are close."""
        readings = self._readings
        readings.append((now_s, count))
        while readings[1][0] <= now_s - WINDOW_S:
            readings.popleft()

    def since(self, now_s: float, count: int) -> tuple[int, float]:
        """What was added since the oldest reading kept, and how many seconds ago that was."""
        then_s, then = self._readings[0]
        return count - then, now_s - then_s
