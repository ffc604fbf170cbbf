"""Servers that a trial starts besides pfserve: promptflow's, those that do an echo flow's work without it, any."""

from __future__ import annotations

import shlex
import shutil
import subprocess
import sys
from pathlib import Path

from . import systems
from .mistake import Mistake
from .server import Launch

PFSERVE, FLASK, FASTAPI, HANDWRITTEN, MOSEC, LITSERVE = SYSTEMS = (
    "pfserve", "promptflow-flask", "promptflow-fastapi", "handwritten", "mosec", "litserve",
)  # fmt: skip
_MISSING = "import importlib.util as u, sys; print(*(name for name in sys.argv[1:] if u.find_spec(name) is None))"
VENV = Path.home() / ".cache" / "pfserve-bench" / f"promptflow-{systems.PROMPTFLOW_VERSION}"


def command(line: str) -> Launch:
    """Any command. Raises Mistake if it is none, or has no place for its port."""
    try:
        argv = tuple(shlex.split(line))
    except ValueError as problem:
        raise Mistake(f"--command {line}: {problem}") from problem
    if not any("{port}" in part for part in argv):
        raise Mistake("--command must hold {port}, the port on which it is to listen")
    return Launch(argv[0], argv)


def promptflow(system: str, flow: Path, workers: int, python: Path | None, home: Path) -> Launch:
    """Promptflow's own server, on a copy of the flow in ``home``, as it writes into the folder and beside it.

    Raises Mistake if there is none, and none can be installed.
    """
    copy = Path(shutil.copytree(flow, home / flow.resolve().name))
    engine = "flask" if system == FLASK else "fastapi"
    return systems.promptflow(python.absolute() if python else _installed(), engine, copy, workers)


def _installed() -> Path:
    try:
        return systems.promptflow_python(VENV)
    except (OSError, subprocess.CalledProcessError) as problem:
        raise Mistake(
            f"promptflow cannot be installed into {VENV}: {problem}; give an interpreter that has it by "
            "--promptflow-python"
        ) from problem


def echo(system: str, flow: Path, workers: int, python: Path | None) -> Launch:
    """A server that does by hand, or in another framework, what an echo flow does. Raises Mistake."""
    if len(list(flow.glob("*.jinja2"))) != 1:
        raise Mistake(f"--system {system} serves only a flow like examples/async-echo: one template, then an echo")
    if system == HANDWRITTEN:
        is_async = any("async def" in tool.read_text() for tool in flow.glob("*.py"))
        return systems.handwritten("async" if is_async else "sync", flow, workers)
    python = python.absolute() if python else Path(sys.executable)
    _check(python, system, "jinja2")
    return (systems.mosec if system == MOSEC else systems.litserve)(python, flow, workers)


def _check(python: Path, *packages: str) -> None:
    try:
        asked = subprocess.run([python, "-c", _MISSING, *packages], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError) as problem:
        raise Mistake(f"--peer-python {python}: {problem}") from problem
    if missing := asked.stdout.strip():
        raise Mistake(f"{python} has no {missing.replace(' ', ', ')}: give one that has it by --peer-python")
