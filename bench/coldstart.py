"""P7: from the start of the process to its first 200, and the import of the command line."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from . import systems
from .budgets import judge
from .part import Part, Say, Settings
from .series import Series
from .server import Launch, Server

LEAST_ROUNDS = 7
WORKERS = 2
POLL_S = 0.002
IMPORTS = {"import pfserve.cli": "import pfserve.cli", "bare interpreter": "pass"}


def cold_start(settings: Settings, say: Say) -> Part:
    """P7: both clauses, for the async echo flow. One start of each comes first and does not count (bytecode, disk)."""
    flow = settings.examples / "async-echo"
    rounds = max(settings.rounds, LEAST_ROUNDS)
    with tempfile.TemporaryDirectory() as home:
        copy = shutil.copytree(flow, Path(home) / flow.name)
        launches = (
            systems.pfserve(flow, WORKERS),
            systems.handwritten("async", flow, WORKERS),
            systems.promptflow(settings.promptflow(), "flask", copy, WORKERS),
        )
        starts = [[_start_s(launch) for launch in launches] for _ in range(rounds + 1)][1:]
    imports = [[_run_s(code) for code in IMPORTS.values()] for _ in range(rounds + 1)][1:]
    ready = _columns([launch.system for launch in launches], "cold start to the first 200", starts)
    imported = _columns(list(IMPORTS), "time of a new interpreter", imports)
    for series in (*ready, *imported):
        say(f"{series.quantity}  {series.system}: {series.median:.3f} s")
    return Part((*ready, *imported), (judge("P7.ready", ready[0]), judge("P7.import", imported[0])))


def _start_s(launch: Launch) -> float:
    with Server(launch) as server:
        return server.wait_ready(every_s=POLL_S)


def _run_s(code: str) -> float:
    began_s = time.monotonic()
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
    return time.monotonic() - began_s


def _columns(names: list[str], quantity: str, rows: list[list[float]]) -> list[Series]:
    columns = zip(*rows, strict=True)
    return [Series(name, quantity, "s", column) for name, column in zip(names, columns, strict=True)]
