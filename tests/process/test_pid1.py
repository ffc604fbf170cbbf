"""The master as PID 1 of a PID namespace, as in a container: it reaps, drains, exits 0, and leaves nothing."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path

import pytest

from eventually import eventually
from instance import Instance, alive, children, instance, wait_until_running, write_flow

UNSHARE = ("unshare", "--pid", "--fork", "--kill-child", "--mount-proc")


def can_unshare() -> bool:
    try:
        return subprocess.run([*UNSHARE, "true"], capture_output=True, timeout=10, check=False).returncode == 0
    except FileNotFoundError:
        return False


pytestmark = pytest.mark.skipif(not can_unshare(), reason="needs the right to make a PID namespace")


def init_of(server: Instance) -> int:
    """The master's pid as this side sees it."""
    return eventually(lambda: children(server.process.pid), within_s=5, why="unshare should have forked")[0]


def states_below(pid: int) -> dict[int, str]:
    """All descendants of a process and their states."""
    found = {}
    for child in children(pid):
        found[child] = Path(f"/proc/{child}/stat").read_text().rpartition(")")[2].split()[0]
        found |= states_below(child)
    return found


def test_pid_1_stays_the_same_over_20_reloads(tmp_path: Path) -> None:
    flow = write_flow(tmp_path / "flow")
    with instance(flow, wrapper=UNSHARE) as server:
        server.ready()
        master = init_of(server)
        born = Path(f"/proc/{master}/stat").read_text().rpartition(")")[2].split()[19]
        for generation in range(2, 22):
            os.kill(master, signal.SIGHUP)
            server.ready(generation)
            old = f"generation {generation - 1}: ended"
            eventually(lambda old=old: old in server.log(), within_s=20, why="the old generation should end")
            assert server.ask()[0] == 200
        assert Path(f"/proc/{master}/stat").read_text().rpartition(")")[2].split()[19] == born
        assert len(states_below(master)) == 3  # a leader and two workers
        os.kill(master, signal.SIGTERM)
        assert server.exit_code() == 0


def test_nothing_outlives_a_killed_pid_1(tmp_path: Path) -> None:
    flow = write_flow(tmp_path / "flow")
    with instance(flow, wrapper=UNSHARE) as server:
        server.ready().ask("orphan:1000")
        server.asking("block:60")
        wait_until_running(flow, "block:60")
        master = init_of(server)
        everybody = states_below(master)
        assert len(everybody) == 4  # a leader, two workers, and what the flow's code left
        os.kill(master, signal.SIGKILL)
        eventually(
            lambda: not any(alive(pid) for pid in everybody), within_s=1, why="nothing should be left within a second"
        )


def test_pid_1_reaps_orphans_drains_and_exits_with_0(tmp_path: Path) -> None:
    flow = write_flow(tmp_path / "flow")
    with instance(flow, wrapper=UNSHARE) as server:
        server.ready()
        master = init_of(server)
        family = states_below(master)
        assert len(family) == 3  # a leader and two workers

        server.ask("orphan:0.5")
        eventually(lambda: len(states_below(master)) == 4, within_s=5, why="the orphan should live on below PID 1")
        eventually(lambda: set(states_below(master)) == set(family), within_s=5, why="PID 1 should reap the orphan")

        server.ask("orphan:1000")  # still there at the end
        request = server.asking("wait:1.5")
        wait_until_running(flow, "wait:1.5")
        everybody = states_below(master)
        os.kill(master, signal.SIGTERM)
        assert server.exit_code() == 0
        assert request.result(1)[0] == 200
        assert not [pid for pid in everybody if Path(f"/proc/{pid}").exists()]


@pytest.mark.parametrize("number", [signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2])
def test_pid_1_does_not_get_what_would_end_another_process(number: signal.Signals, tmp_path: Path) -> None:
    flow = write_flow(tmp_path / "flow")
    with instance(flow, wrapper=UNSHARE) as server:
        master = init_of(server.ready())
        os.kill(master, number)
        assert server.ask()[0] == 200
        os.kill(master, signal.SIGTERM)
        assert server.exit_code() == 0
