"""What the cgroups of a process tell of its CPU: how often, and how long, their limit stopped it. Version 2 and 1."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

import msgspec

MOUNT = Path("/sys/fs/cgroup")


class Throttling(msgspec.Struct, frozen=True):
    """So far, of a cgroup and of those that it is in: each may have a limit."""

    periods: int  # in which the limit was reached
    lasted_s: float  # over all processors


def throttling(pid: int, mount: Path = MOUNT, proc: Path = Path("/proc")) -> Throttling | None:
    """Of the cgroup of a process. None if none can be read, which is so without a CPU controller."""
    found = [parse(text) for text in _stats((proc / str(pid) / "cgroup"), mount)]
    known = [each for each in found if each is not None]
    if not known:
        return None
    return Throttling(sum(each.periods for each in known), sum(each.lasted_s for each in known))


def parse(cpu_stat: str) -> Throttling | None:
    """Read a cpu.stat. None if it is of a cgroup without a CPU controller, or of the root of version 2."""
    figures = dict(line.split() for line in cpu_stat.splitlines())
    if "nr_throttled" not in figures:
        return None
    in_v2, in_v1 = int(figures.get("throttled_usec", 0)) / 1e6, int(figures.get("throttled_time", 0)) / 1e9
    return Throttling(int(figures["nr_throttled"]), in_v2 + in_v1)


def place(cgroup: str) -> tuple[str, str] | None:
    """Where the CPU of a process is limited, from its /proc/PID/cgroup: the hierarchy's folder, the path in it."""
    lines = [line.split(":", 2) for line in cgroup.splitlines()]
    for _, controllers, path in lines:
        if "cpu" in controllers.split(","):
            return controllers, path
    return next((("", path) for _, controllers, path in lines if not controllers), None)


def _stats(cgroup: Path, mount: Path) -> Iterator[str]:
    """Every cpu.stat from its cgroup upwards. In a container the upper part of the path may be out of sight."""
    with contextlib.suppress(OSError):
        if (found := place(cgroup.read_text())) is None:
            return
        hierarchy, path = found
        for folder in (PurePosixPath(path), *PurePosixPath(path).parents):
            with contextlib.suppress(OSError):
                yield (mount / hierarchy / folder.relative_to("/") / "cpu.stat").read_text()
