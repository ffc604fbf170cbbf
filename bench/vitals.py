"""What is seen of a server's process tree while it is loaded: CPU, memory, switches, throttling, who came and went."""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence
from pathlib import Path

import msgspec

from . import cgroup, proc
from .cgroup import Throttling


class Vitals(msgspec.Struct, frozen=True):
    """One look at the tree."""

    at_s: float  # since the trial's zero
    cpu_s: float  # of the whole tree so far
    pss_bytes: int
    voluntary: int  # context switches of the living processes so far: they waited
    involuntary: int  # they were made to wait
    members: Sequence[tuple[int, int]]  # that run: pid and start time, as a process that was replaced is another one
    throttling: Throttling | None = None  # of the cgroup of its root, so far; None: not to be seen


def look(root: int, at_s: float) -> Vitals:
    """Now."""
    family = proc.tree(root)
    switches = [parse_switches(_status(member.pid)) for member in family]
    return Vitals(
        at_s=at_s,
        cpu_s=sum(member.cpu_s for member in family),
        pss_bytes=proc.pss_bytes(root),
        voluntary=sum(voluntary for voluntary, _ in switches),
        involuntary=sum(involuntary for _, involuntary in switches),
        members=[(member.pid, member.started) for member in family if not member.is_dead],
        throttling=cgroup.throttling(root),
    )


def parse_switches(status: str) -> tuple[int, int]:
    """Voluntary and involuntary context switches, from /proc/PID/status."""
    found = dict(re.findall(r"^(voluntary|nonvoluntary)_ctxt_switches:\s*(\d+)", status, re.MULTILINE))
    return int(found.get("voluntary", 0)), int(found.get("nonvoluntary", 0))


def ended(looks: Sequence[Vitals]) -> int:
    """How many processes of the tree ended between the first and the last look."""
    gone = 0
    for before, after in itertools.pairwise(looks):
        gone += len(set(before.members) - set(after.members))
    return gone


def throttled(looks: Sequence[Vitals]) -> Throttling | None:
    """What came to it between the first and the last look. None where it cannot be seen."""
    seen = [look.throttling for look in looks if look.throttling is not None]
    if not seen:
        return None
    return Throttling(seen[-1].periods - seen[0].periods, seen[-1].lasted_s - seen[0].lasted_s)


def _status(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):  # it ended meanwhile
        return ""
