"""A system under test that will not go: leaving its ``Server`` leaves no process behind."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from bench import proc, server
from eventually import eventually

STUBBORN = """
import signal, subprocess, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], start_new_session=True)
time.sleep(60)
"""


def gone(member: proc.Stat) -> bool:
    """Dead: an orphan may stay a zombie, where nobody reaps it."""
    if not proc.alive(member):
        return True
    return Path(f"/proc/{member.pid}/stat").read_text().rpartition(") ")[2].startswith("Z")


def test_what_ignores_sigterm_and_what_left_its_session_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "STOP_WITHIN_S", 0.2)
    with server.Server(server.Launch("stubborn", (sys.executable, "-c", STUBBORN))) as stubborn:
        family = eventually(lambda: (found := proc.tree(stubborn.pid))[1:] and found, within_s=10, why="no child came")
    eventually(lambda: all(map(gone, family)), within_s=5, why="somebody of the tree still runs")
