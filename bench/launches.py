"""Servers that a trial starts besides pfserve."""

from __future__ import annotations

import shlex
import shutil
from pathlib import Path

from . import systems
from .mistake import Mistake
from .server import Launch

PFSERVE, FLASK, _ = SYSTEMS = ("pfserve", "promptflow-flask", "promptflow-fastapi")
VENV = Path.home() / ".cache" / "pfserve-bench" / f"promptflow-{systems.PROMPTFLOW_VERSION}"


def command(line: str) -> Launch:
    """Any command. Raises Mistake if it has no place for its port."""
    argv = tuple(shlex.split(line))
    if not any("{port}" in part for part in argv):
        raise Mistake("--command must hold {port}, the port on which it is to listen")
    return Launch(argv[0], argv)


def promptflow(system: str, flow: Path, workers: int, python: Path | None, home: Path) -> Launch:
    """Promptflow's own server, on a copy of the flow in ``home``, as it writes into the folder and beside it."""
    copy = Path(shutil.copytree(flow, home / flow.resolve().name))
    engine = "flask" if system == FLASK else "fastapi"
    return systems.promptflow(python.absolute() if python else systems.promptflow_python(VENV), engine, copy, workers)
