"""What /proc tells about a process and everything below it: pids, CPU time, memory. Nothing here starts or ends one."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import msgspec

TICKS_PER_S = os.sysconf("SC_CLK_TCK")


class Stat(msgspec.Struct, frozen=True):
    """The fields of /proc/PID/stat that are used here. ``started`` tells a process from a later one with its pid."""

    pid: int
    parent: int
    cpu_s: float  # user and system, of the process and of the children it has waited for
    started: int  # clock ticks after boot
    is_dead: bool = False  # nobody has waited for it yet


def parse_stat(text: str) -> Stat:
    """Read the one line of a stat file. The command name in it may hold spaces and parentheses."""
    pid, _, rest = text.partition(" (")
    fields = rest.rpartition(") ")[2].split()
    ticks = sum(int(field) for field in fields[11:15])
    used_s, is_dead = ticks / TICKS_PER_S, fields[0] in "ZX"
    return Stat(pid=int(pid), parent=int(fields[1]), cpu_s=used_s, started=int(fields[19]), is_dead=is_dead)


def parse_pss_bytes(smaps_rollup: str) -> int:
    """The proportional set size: private memory, and of each shared page the fair part."""
    for line in smaps_rollup.splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) * 1024
    return 0  # a zombie: it has no memory any more


def parse_own_bytes(smaps_rollup: str) -> int:
    """The part of it that no file holds. Of files' pages, others' coming and going changes what is the fair part."""
    kinds = ("Pss_Anon:", "Pss_Shmem:")
    return sum(int(line.split()[1]) * 1024 for line in smaps_rollup.splitlines() if line.startswith(kinds))


def below(root: int, parents: Mapping[int, int]) -> set[int]:
    """``root`` and all its descendants, given every process's parent."""
    found = {root}
    while more := {pid for pid, parent in parents.items() if parent in found} - found:
        found |= more
    return found


def tree(root: int) -> list[Stat]:
    """The living processes of the tree under ``root``, itself included."""
    stats = {stat.pid: stat for stat in map(parse_stat, _every("stat"))}
    pids = below(root, {pid: stat.parent for pid, stat in stats.items()})
    return [stats[pid] for pid in sorted(pids) if pid in stats]


def alive(stat: Stat) -> bool:
    """Whether that very process still runs, and not another that was given its pid."""
    text = _read(Path(f"/proc/{stat.pid}/stat"))
    return bool(text) and parse_stat(text).started == stat.started


def cpu_s(root: int) -> float:
    """The CPU time that the tree has used."""
    return sum(stat.cpu_s for stat in tree(root))


def pss_bytes(root: int) -> int:
    """The memory of the whole tree, shared pages counted once. Kernel memory (socket buffers) is not in it."""
    return sum(parse_pss_bytes(_read(Path(f"/proc/{stat.pid}/smaps_rollup"))) for stat in tree(root))


def own_bytes(root: int) -> int:
    """The memory of the whole tree that is no file's, shared pages counted once."""
    return sum(parse_own_bytes(_read(Path(f"/proc/{stat.pid}/smaps_rollup"))) for stat in tree(root))


def parse_busy_s(text: str) -> float:
    """The CPU time that all processors together have spent at work, from /proc/stat. Idle and waiting are not work."""
    user, nice, system, _idle, _iowait, *others = (int(field) for field in text.splitlines()[0].split()[1:9])
    return (user + nice + system + sum(others)) / TICKS_PER_S


def machine_busy_s() -> float:
    """:func:`parse_busy_s` of this machine."""
    return parse_busy_s(_read(Path("/proc/stat")))


def parse_callers(tcp: str, port: int) -> set[str]:
    """The ports from which ``port`` was connected to: open connections and those closed less than a minute ago."""
    ends = [[end.partition(":")[2] for end in line.split()[1:3]] for line in tcp.splitlines()[1:]]
    wanted = f"{port:04X}"
    return {other for end, other in (*ends, *map(reversed, ends)) if end == wanted and other != "0000"}


def callers(port: int) -> set[str]:
    """:func:`parse_callers` of this machine."""
    return parse_callers(_read(Path("/proc/net/tcp")), port)


def _every(name: str) -> list[str]:
    files = (entry / name for entry in Path("/proc").iterdir() if entry.name.isdigit())
    return [text for text in map(_read, files) if text]


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except (FileNotFoundError, ProcessLookupError):  # it ended between the listing and the reading
        return ""
