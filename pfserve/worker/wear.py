"""When has a worker served enough? ``--max-requests`` and ``--max-rss-mb``, looked at once a second."""

from __future__ import annotations

import random
from collections.abc import Callable

JITTER = 0.15  # of the number of requests, so that workers that started together do not go together


class Wear:
    """What wears a worker out. ``answered`` and ``resident_bytes`` tell how far it is; both are of this process.

    A limit of 0 is none.
    """

    def __init__(
        self,
        max_requests: int,
        max_rss_bytes: int,
        answered: Callable[[], int],
        resident_bytes: Callable[[], int],
        draw: Callable[[float, float], float] = random.uniform,
    ) -> None:
        self._most_requests = max(1, round(max_requests * draw(1 - JITTER, 1 + JITTER))) if max_requests else 0
        self._most_bytes = max_rss_bytes
        self._answered = answered
        self._resident_bytes = resident_bytes

    def reason(self) -> str:
        """Why the worker is to be replaced; empty while it is not."""
        if self._most_requests and (answered := self._answered()) >= self._most_requests:
            return f"has answered {answered} requests"
        if self._most_bytes and (size := self._resident_bytes()) > self._most_bytes:
            return f"has grown to {size / 1e6:.0f} MB"
        return ""
