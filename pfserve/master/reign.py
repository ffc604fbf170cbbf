"""A leader of the master's, and whether processes below it are gone."""

from __future__ import annotations

import os

from pfserve.worker.channel import Channel


class Reign:
    """A leader of ours: its process, our end of its channel, its seats."""

    def __init__(self, generation: int, block: int, seats: range, started_s: float) -> None:
        self.generation = generation
        self.block = block
        self.seats = seats
        self.started_s = started_s
        self.pid = 0  # before the fork, and once it is reaped
        self.channel: Channel | None = None


def is_gone(pid: int) -> bool:
    """Whether an orphaned worker is neither alive nor waiting to be reaped: its leader had reaped it."""
    if pid == 0:
        return True
    try:
        os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:  # as sub-reaper this process is the parent of all orphans of the tree
        return True
    return False
