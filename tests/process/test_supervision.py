"""Deaths at any moment: what ran in the dead process is lost, nothing else, and nothing is left behind."""

from __future__ import annotations

import os
import signal
import socket
import time
from concurrent.futures import Future
from pathlib import Path

import pytest

from eventually import eventually
from instance import Instance, alive, children, imported_by, instance, wait_until_running, write_flow


@pytest.fixture
def flow(tmp_path: Path) -> Path:
    return write_flow(tmp_path / "flow")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def family(pid: int) -> list[int]:
    """All descendants."""
    return [one for child in children(pid) for one in (child, *family(child))]


def watched(server: Instance) -> list[int]:
    """The whole tree below the master, once the monitor is in it: leader, two workers, monitor."""
    return eventually(lambda: len(family(server.master)) == 4 and family(server.master), within_s=5, why="four of them")


@pytest.mark.parametrize("stopped", [False, True])
def test_nothing_outlives_a_killed_master_not_even_what_is_stopped(flow: Path, stopped: bool) -> None:
    with instance(flow, f"--admin-port={free_port()}") as server:
        server.ready().asking("block:60")  # a worker that hears nothing
        wait_until_running(flow, "block:60")
        tree = watched(server)
        for pid in tree if stopped else []:
            os.kill(pid, signal.SIGSTOP)
        server.signal(signal.SIGKILL)
        server.process.wait(5)
        eventually(lambda: not any(map(alive, tree)), within_s=1, why="nothing should be left within a second")


def test_connections_that_wait_outlive_the_leader(flow: Path) -> None:
    """They lie in the listener's queue, which is the master's: nobody but the dead ones had them."""
    with instance(flow) as server:
        for worker in server.ready().workers():
            os.kill(worker, signal.SIGSTOP)  # nobody accepts
        waiting = [server.asking("") for _ in range(5)]
        eventually(lambda: queued(server.port) >= 5, within_s=5, why="five connections should wait in the queue")
        os.kill(server.leader(), signal.SIGKILL)
        assert [request.result(20)[0] for request in waiting] == [200] * 5
        assert server.stop() == 0


def queued(port: int) -> int:
    """The length of the accept queue, which /proc/net/tcp gives as the receive queue of a listening socket."""
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        fields = line.split()
        if fields[1] == f"0100007F:{port:04X}" and fields[3] == "0A":
            return int(fields[4].partition(":")[2], 16)
    return 0


def fill(server: Instance, flow: Path, seconds: int) -> list[Future[tuple[int, str]]]:
    """Two requests that run for so long, once both do."""
    held = []
    for what in (f"wait:{seconds}.1", f"wait:{seconds}.2"):
        held.append(server.asking(what))
        wait_until_running(flow, what)
    return held


def test_the_tickets_of_a_dead_leaders_workers_are_free(flow: Path) -> None:
    with instance(flow, "--max-concurrent-requests=2") as server:
        server.ready()
        lost = fill(server, flow, 30)
        assert server.ask()[0] == 429
        os.kill(server.leader(), signal.SIGKILL)
        for request in lost:
            with pytest.raises(OSError):
                request.result(10)
        server.ready(generation=2)
        held = fill(server, flow, 2)
        assert server.ask()[0] == 429  # the whole bound is there again, and no more
        assert [request.result(5)[0] for request in held] == [200, 200]
        assert server.stop() == 0


def test_nobody_stays_a_zombie(flow: Path) -> None:
    with instance(flow, f"--admin-port={free_port()}") as server:
        server.ready()
        for _ in range(3):
            victims = [server.workers()[0], children(server.master)[-1]]
            for victim in victims:
                os.kill(victim, signal.SIGKILL)
            eventually(lambda v=victims: not any(Path(f"/proc/{pid}").exists() for pid in v), within_s=5, why="reaped")
            eventually(lambda: len(family(server.master)) == 4, within_s=10, why="both should be replaced")
        assert server.stop() == 0


def test_a_monitor_that_keeps_dying_takes_nothing_down(flow: Path) -> None:
    with instance(flow, f"--admin-port={free_port()}") as server:
        server.ready()
        tree = {server.leader(), *server.workers()}
        for deaths in range(1, 6):
            monitor = eventually(
                lambda: set(family(server.master)) - tree, within_s=10, why="there should be a monitor"
            )
            os.kill(monitor.pop(), signal.SIGKILL)
            eventually(lambda n=deaths: told(server) == n, within_s=10, why="its death should be told")
            assert server.ask()[0] == 200
        assert "another one at once" in server.log() and "another one in 0.1 s" in server.log()
        assert {server.leader(), *server.workers()} == tree
        assert server.stop() == 0


def told(server: Instance) -> int:
    """How many monitors' deaths are in the log."""
    return server.log().count("the monitor, pid")


def test_leaders_that_keep_dying_end_the_instance(flow: Path) -> None:
    """Each comes back later than the one before; in the end whoever runs the container shall know."""
    with instance(flow) as server:
        killed_s = 0.0
        for generation in range(1, 7):
            server.ready(generation)
            if generation > 2:
                assert time.monotonic() - killed_s > 0.1 * 2 ** (generation - 3), "it should have paused before"
            os.kill(server.leader(), signal.SIGKILL)
            killed_s = time.monotonic()
        assert server.exit_code() == 6
        assert "6 leaders died within 60 s" in server.log()


def test_a_leader_that_is_killed_before_it_serves_is_replaced_like_another(tmp_path: Path) -> None:
    """Twice in a row, as an OOM killer does it."""
    flow = write_flow(tmp_path / "flow", "time.sleep(0.5)\n")
    with instance(flow) as server:
        os.kill(server.ready().leader(), signal.SIGKILL)
        eventually(lambda: len(imported_by(flow)) == 2, within_s=10, why="the next one should compile")
        os.kill(imported_by(flow)[1], signal.SIGKILL)
        assert server.ready(generation=3).ask()[0] == 200
        assert server.stop() == 0


def test_workers_that_cannot_be_replaced_leave_the_others_serving(flow: Path) -> None:
    """Where each worker compiles the flow, and that is broken on disk meanwhile."""
    with instance(flow, "--no-preload") as server:
        good = (flow / "act.py").read_text()
        victim, other = server.ready().workers()
        (flow / "act.py").write_text("def\n")
        os.kill(victim, signal.SIGKILL)
        tried = "cannot get ready: flow/act.py:1: SyntaxError"
        eventually(lambda: server.log().count(tried) >= 3, within_s=15, why="it should be tried again, and told")
        assert server.ask() == (200, str(other))
        (flow / "act.py").write_text(good)
        eventually(lambda: len(set(server.workers()) - {victim}) == 2, within_s=15, why="the next should be")
        eventually(lambda: server.ask()[1] != str(other), within_s=15, why="the next should serve")
        assert server.workers()[0] == other
        assert server.stop() == 0
