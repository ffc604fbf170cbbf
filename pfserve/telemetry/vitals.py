"""How the instance is, read from the shared region: what the health routes answer."""

from __future__ import annotations

import time
from collections.abc import Callable

from pfserve.region import Fact, Region

MASTER_SILENT_NS = 5_000_000_000
_NS = 1_000_000_000


class Vitals:
    """Reads the beats of the master and of all workers. Everything is about the instance, not about this worker."""

    def __init__(self, region: Region, stuck_after_s: float, clock_ns: Callable[[], int] = time.monotonic_ns) -> None:
        self._region = region
        self._stuck_after_ns = int(stuck_after_s * _NS)
        self._clock_ns = clock_ns

    @property
    def draining(self) -> bool:
        """Whether the instance has been told to stop."""
        return self._region.draining

    def live(self) -> bool:
        """Whether the master beats, and a worker has beaten within twice the time that makes one stuck.

        The master keeps the last beat of all, since a seat's beat goes with its process; and while a generation is
        getting ready, for which it has a limit of its own, it counts as beating: a restart would begin all over.
        """
        now_ns = self._clock_ns()
        if now_ns - self._region.master_beat_ns > MASTER_SILENT_NS:
            return False
        last_ns = max(*self._region.beats, self._region.ledger.facts[Fact.ALIVE_NS])
        return last_ns >= now_ns - 2 * self._stuck_after_ns

    def ready(self) -> bool:
        """Whether requests should be sent here: a worker serves the flow, and the instance does not go down."""
        if self._region.draining or self._region.waiting:
            return False
        return bool(self._region.live_seats(self._clock_ns(), self._stuck_after_ns))
