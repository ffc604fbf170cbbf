"""The pulse of a worker's event loop: one word of the region, written once a second."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from pfserve.region import Region

BEAT_S = 1.0


class Beat:
    """Writes the time into the seat's cell for as long as the event loop turns, and calls ``then`` each time."""

    def __init__(self, region: Region, seat: int, loop: asyncio.AbstractEventLoop, then: Callable[[], None]) -> None:
        self._region = region
        self._seat = seat
        self._loop = loop
        self._then = then

    def start(self) -> None:
        """Beat now, and once a second from here on."""
        self._region.beats[self._seat] = time.monotonic_ns()
        self._loop.call_later(BEAT_S, self._again)

    def _again(self) -> None:
        self.start()  # first: should one of the others fail, the loop still turns
        self._then()
