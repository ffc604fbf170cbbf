"""P7: from the start of the process to its first 200, and the import of the command line."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import msgspec

from . import proc, systems
from .budgets import judge
from .contest import FOREIGN_LIMIT
from .part import Part, Say, Settings
from .series import Series
from .server import Launch, Server

LEAST_ROUNDS = 15  # launches of each: one alone moves by a third
WORKERS = 2
POLL_S = 0.002
# A deployed server has bytecode; where the caller's environment forbids writing it, each start would compile ours anew.
BYTECODE = {"PYTHONDONTWRITEBYTECODE": ""}
IMPORTS = {"import pfserve.cli": "import pfserve.cli", "bare interpreter": "pass"}


def cold_start(settings: Settings, say: Say) -> Part:
    """P7: both clauses, for the async echo flow, everything in turn.

    One start of each comes first and does not count (bytecode, disk).
    """
    flow = settings.examples / "async-echo"
    rounds = max(settings.rounds, LEAST_ROUNDS)
    with tempfile.TemporaryDirectory() as home:
        copy = shutil.copytree(flow, Path(home) / flow.name)
        launches = (
            systems.pfserve(flow, WORKERS),
            systems.handwritten("async", flow, WORKERS),
            systems.promptflow(settings.promptflow(), "flask", copy, WORKERS),
        )
        _round(launches)
        began_s, busy_before_s, known_before_s = time.monotonic(), proc.machine_busy_s(), _known_s()
        held = [_round(launches) for _ in range(rounds)]
    known_s = _known_s() - known_before_s
    foreign_cores = (proc.machine_busy_s() - busy_before_s - known_s) / (time.monotonic() - began_s)
    starts, imports = zip(*held, strict=True)
    ready = _columns([launch.system for launch in launches], "cold start to the first 200", starts)
    imported = _columns(list(IMPORTS), "time of a new interpreter", imports)
    for series in (*ready, *imported):
        say(f"{series.quantity}  {series.system}: {series.median:.3f} s")
    verdicts = (judge("P7.ready", ready[0]), judge("P7.import", imported[0]))
    return Part((*ready, *imported), verdicts, doubts(foreign_cores))


def doubts(foreign_cores: float) -> tuple[str, ...]:
    """What makes the figures unbelievable: a busy machine."""
    if foreign_cores <= FOREIGN_LIMIT:
        return ()
    return (f"cold start: others used {foreign_cores:.2f} cores of this machine meanwhile",)


def _round(launches: Sequence[Launch]) -> tuple[list[float], list[float]]:
    """One start of each system, and one import of each kind."""
    return [_start_s(launch) for launch in launches], [_run_s(code) for code in IMPORTS.values()]


def _known_s() -> float:
    """The CPU of this process and of all that it started, for all have ended."""
    return sum(os.times()[:4])


def _start_s(launch: Launch) -> float:
    with Server(msgspec.structs.replace(launch, environment={**launch.environment, **BYTECODE})) as server:
        return server.wait_ready(every_s=POLL_S)


def _run_s(code: str) -> float:
    """How long an interpreter takes for it.

    Its output is what is waited for: the wait of ``subprocess`` for a process itself looks after 64 and 114 ms, and
    not in between.
    """
    began_s = time.monotonic()
    environment = {**os.environ, **BYTECODE}
    subprocess.run([sys.executable, "-c", code], env=environment, stdout=subprocess.PIPE, check=True, timeout=60)
    return time.monotonic() - began_s


def _columns(names: list[str], quantity: str, rows: Sequence[Sequence[float]]) -> list[Series]:
    columns = zip(*rows, strict=True)
    return [Series(name, quantity, "s", column) for name, column in zip(names, columns, strict=True)]
