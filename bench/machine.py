"""The facts without which a figure means nothing: machine, versions, commit."""

from __future__ import annotations

import datetime
import importlib.metadata
import os
import platform
import re
import subprocess
from pathlib import Path

from .systems import PROMPTFLOW_VERSION

PACKAGES = ("aiohttp", "uvloop", "orjson", "jinja2", "msgspec")


def facts() -> dict[str, str]:
    """What to print above the figures, now."""
    return {
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "commit": _commit(),
        "processor": f"{len(os.sched_getaffinity(0))} x {_processor()}",
        "load before": " ".join(f"{load:.2f}" for load in os.getloadavg()),
        "kernel": platform.release(),
        "Python": platform.python_version(),
        "packages": ", ".join(f"{name} {importlib.metadata.version(name)}" for name in PACKAGES),
        "promptflow": PROMPTFLOW_VERSION,
        "generator": _output("wrk", "--version").partition(" [")[0],
    }


def _commit() -> str:
    here = str(Path(__file__).parent)
    commit = _output("git", "-C", here, "rev-parse", "--short=12", "HEAD")
    changed = _output("git", "-C", here, "status", "--porcelain")
    return (commit + ("+changes" if changed else "")) or "unknown"


def _processor() -> str:
    found = re.search(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    return found[1] if found else platform.machine()


def _output(*argv: str) -> str:
    """The first line that a command prints, whatever its exit code (``wrk --version`` gives 1), "" if there is none."""
    try:
        done = subprocess.run(argv, capture_output=True, text=True, timeout=10, check=False)
    except FileNotFoundError:
        return ""
    return (done.stdout.splitlines() or [""])[0].strip()
