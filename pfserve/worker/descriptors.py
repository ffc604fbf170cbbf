"""How many descriptors a worker may open, and what of them is for connections."""

from __future__ import annotations

import os
import resource

RESERVED_DESCRIPTORS = 128  # for the flow's own files and connections
_STDERR = 2


def connection_limit(max_connections: int, descriptors: int, private_streams: int) -> int:
    """How many connections a worker may hold that may open so many descriptors, ``private_streams`` of them for others.

    Where those would leave little, connections get half of what there is.
    """
    left = descriptors - RESERVED_DESCRIPTORS
    return max(1, min(max_connections, left - min(private_streams, left // 2)))


def descriptors_left() -> int:
    """How many more descriptors this process may open."""
    allowed, _ = resource.getrlimit(resource.RLIMIT_NOFILE)  # never unlimited: the kernel bounds it
    try:
        opened = len(os.listdir("/proc/self/fd")) - 1  # that of the folder
    except OSError:  # no /proc; numbers are given from the lowest one, and few have been given back
        opened = os.dup(_STDERR)
        os.close(opened)
    return allowed - opened


def has_descriptor() -> bool:
    """Whether this process may open one more."""
    try:
        os.close(os.dup(_STDERR))
    except OSError:
        return False
    return True
