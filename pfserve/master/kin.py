"""Processes that became the master's children without being forked by it: what user code started and left behind."""

from __future__ import annotations

import contextlib
import os
import signal


def children() -> set[int]:
    """The pids of this process's children, adopted ones included. Empty where the kernel does not tell."""
    try:
        with open(f"/proc/self/task/{os.getpid()}/children", encoding="ascii") as file:
            return {int(pid) for pid in file.read().split()}
    except OSError:
        return set()


def end_all(spare: set[int]) -> set[int]:
    """Kill and reap every child but those to spare, and what they leave in turn. Give their pids.

    They hold copies of the listening sockets: the port would stay taken after the server's end.
    """
    ended: set[int] = set()
    while left := children() - spare:
        for pid in left:
            os.kill(pid, signal.SIGKILL)
        for pid in left:
            with contextlib.suppress(ChildProcessError):
                os.waitpid(pid, 0)
        ended |= left
    return ended
