"""The access log of a whole server: every answered request has its line, whatever ends the process that answered."""

from __future__ import annotations

import re
import signal
from pathlib import Path

import pytest

from eventually import eventually
from instance import Instance, instance, write_flow


@pytest.fixture
def flow(tmp_path: Path) -> Path:
    return write_flow(tmp_path / "flow")


def lines(server: Instance) -> int:
    return len(re.findall(r"\[pfserve\.requests\]\[INFO\] - POST /score 200 \d+\.\d ms \S+\n", server.log()))


def test_a_line_comes_soon(flow: Path) -> None:
    with instance(flow, "--access-log") as server:
        server.ready().ask("pid")
        eventually(lambda: lines(server) == 1, within_s=10, why="the request should be in the log")
        assert server.stop() == 0


def test_no_line_is_lost_by_stopping_at_once_or_by_a_reload(flow: Path) -> None:
    with instance(flow, "--access-log") as server:
        server.ready()
        for _ in range(50):
            server.ask("pid")
        server.signal(signal.SIGHUP)
        server.ready(generation=2)
        for _ in range(50):
            server.ask("pid")
        assert server.stop() == 0
        assert lines(server) == 100
