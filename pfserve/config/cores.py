"""How many CPU cores this process may use: its affinity, and the quota of its control group."""

from __future__ import annotations

import math
import os
from collections.abc import Callable

Read = Callable[[str], str]  # the content of a file; raises OSError


def usable_cores() -> int:
    """The CPU cores that this process may use, a fraction counted as one; at least 1."""
    return count_cores(_affinity(), _read)


def count_cores(affinity: int, read: Read) -> int:
    """The smaller of the affinity and the quotas of all control groups around us, rounded up; at least 1."""
    quotas = [quota for path in _groups(read) for quota in (_quota_v2(path, read), _quota_v1(path, read)) if quota]
    return max(1, math.ceil(min([float(affinity), *quotas])))


def _affinity() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1  # not Linux: only check, explain and --show-config run there


def _read(path: str) -> str:
    with open(path, encoding="ascii", errors="replace") as file:
        return file.read()


def _groups(read: Read) -> set[str]:
    """The paths of our CPU control groups and of all their parents; ``""`` is the mount itself.

    In a container the mount usually *is* our group while the path may be the host's: both are looked at.
    """
    try:
        lines = read("/proc/self/cgroup").splitlines()
    except OSError:
        return {""}
    groups = {""}
    for line in lines:
        controllers, _, path = line.partition(":")[2].partition(":")
        if controllers == "" or "cpu" in controllers.split(","):
            parts = path.strip("/").split("/")
            groups.update("/" + "/".join(parts[: i + 1]) for i in range(len(parts)) if parts[0])
    return groups


def _quota_v2(group: str, read: Read) -> float | None:
    try:
        quota, period = read(f"/sys/fs/cgroup{group}/cpu.max").split()
        return _ratio(int(quota), int(period))
    except (OSError, ValueError):  # no such file, or "max": no quota
        return None


def _quota_v1(group: str, read: Read) -> float | None:
    folder = f"/sys/fs/cgroup/cpu{group}"
    try:
        return _ratio(int(read(f"{folder}/cpu.cfs_quota_us")), int(read(f"{folder}/cpu.cfs_period_us")))
    except (OSError, ValueError):
        return None


def _ratio(quota: int, period: int) -> float | None:
    return quota / period if quota > 0 and period > 0 else None
