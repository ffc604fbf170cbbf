"""Keeps a monitor: forks it, and forks another when it dies. Its death costs the instance nothing else."""

from __future__ import annotations

import logging
import socket
import time
from collections.abc import Callable, Sequence

from pfserve.config import ServeConfig
from pfserve.leader import describe_exit
from pfserve.monitor import Watch, watch
from pfserve.region import Fact, Region
from pfserve.worker.channel import Channel
from pfserve.worker.lifeline import Closable, fork_on_channel, why_not_forked

_log = logging.getLogger("pfserve")

BootMonitor = Callable[[Watch], int]

FIRST_PAUSE_S = 0.1
LONGEST_PAUSE_S = 5.0  # an orchestrator that probes the admin port gives up after some 30 s
OLD_ENOUGH_S = 10.0  # a monitor that lived so long died of something new


class Pauses:
    """How long to wait before the next monitor: not at all at first, then twice as long each time."""

    def __init__(self) -> None:
        self._young_deaths = 0

    def after_death(self, lived_s: float) -> float:
        """A monitor has died at this age; give the pause in seconds."""
        self._young_deaths = 0 if lived_s >= OLD_ENOUGH_S else self._young_deaths + 1
        if self._young_deaths <= 1:
            return 0.0
        return float(min(FIRST_PAUSE_S * 2.0 ** min(self._young_deaths - 2, 20), LONGEST_PAUSE_S))


class Watchman:
    """The monitor's keeper, a part of the master. Without listeners there is no monitor."""

    def __init__(
        self, config: ServeConfig, region: Region, listeners: tuple[socket.socket, ...], boot: BootMonitor = watch
    ) -> None:
        self._config = config
        self._region = region
        self._listeners = listeners
        self._boot = boot
        self._pauses = Pauses()
        self._fork_at_s = 0.0
        self._born_s = 0.0
        self._channel: Channel | None = None
        self.pid = 0

    def wake_after_s(self, now_s: float) -> float:
        """How long the master may sleep before it calls :meth:`turn`, in seconds."""
        return max(0.0, self._fork_at_s - now_s) if self._listeners and not self.pid else 60.0

    def turn(self, now_s: float, not_yours: Sequence[Closable]) -> None:
        """Fork a monitor if one is due. ``not_yours`` is what it must not keep."""
        if not self._listeners or self.pid or now_s < self._fork_at_s:
            return
        try:
            self.pid, self._channel = fork_on_channel(self._live, not_yours=not_yours)
        except OSError as problem:
            _log.warning("the monitor %s", why_not_forked(problem))
            self._fork_at_s = now_s + LONGEST_PAUSE_S
            return
        self._born_s = now_s
        self._region.ledger.facts[Fact.MONITOR_PID] = self.pid

    def note_exit(self, pid: int, status: int) -> None:
        """A child is reaped; it may have been the monitor."""
        if pid != self.pid:
            return
        self.close()
        now_s = time.monotonic()
        pause_s = self._pauses.after_death(now_s - self._born_s)
        _log.warning(
            "the monitor, pid %d, %s; another one %s",
            *(pid, describe_exit(status), f"in {pause_s:g} s" if pause_s else "at once"),
        )
        facts = self._region.ledger.facts
        facts[Fact.MONITOR_PID] = 0
        facts[Fact.MONITORS_LOST] += 1
        self.pid = 0
        self._fork_at_s = now_s + pause_s

    def close(self) -> None:
        """Close our end of its channel, and with it, in a child of the master, what is none of its own."""
        if self._channel is not None:
            self._channel.close()
            self._channel = None

    def _live(self, channel: Channel) -> int:
        self._region.lock.on_stuck = None
        return self._boot(Watch(self._config, self._region, self._listeners, channel))
