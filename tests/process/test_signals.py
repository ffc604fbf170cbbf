"""The rows of docs/signals.md that no other test stands for."""

from __future__ import annotations

import os
import signal
import socket
from pathlib import Path

import pytest

from eventually import eventually
from instance import Instance, alive, children, imported_by, instance, wait_until_running, write_flow

UNHEARD = [signal.SIGTERM, signal.SIGINT, signal.SIGHUP]
SLOW_IMPORT = "time.sleep(2)\n"
SLOW_BOOT = "import uvloop\nMAKE = uvloop.new_event_loop\nuvloop.new_event_loop = lambda: (time.sleep(3), MAKE())[1]\n"


@pytest.fixture
def flow(tmp_path: Path) -> Path:
    return write_flow(tmp_path / "flow")


def starting(server: Instance) -> bool:
    return "compiled in" in server.log() and "workers ready" not in server.log()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stop_while_the_workers_get_ready(number: signal.Signals, tmp_path: Path) -> None:
    flow = write_flow(tmp_path / "flow", SLOW_BOOT)
    with instance(flow) as server:
        eventually(lambda: starting(server), within_s=10, why="the workers should be getting ready")
        server.signal(number)
        assert server.exit_code(within_s=5) == 0


@pytest.mark.parametrize("code", [SLOW_IMPORT, SLOW_BOOT], ids=["compiling", "starting"])
def test_a_reload_asked_for_before_the_first_generation_serves(code: str, tmp_path: Path) -> None:
    flow = write_flow(tmp_path / "flow", code)
    with instance(flow) as server:
        if code == SLOW_BOOT:
            eventually(lambda: starting(server), within_s=10, why="the workers should be getting ready")
        else:
            eventually(lambda: imported_by(flow), within_s=10, why="the import should have begun")
        server.signal(signal.SIGHUP)
        server.ready(generation=2)
        assert server.ask()[0] == 200
        assert server.stop() == 0


def test_a_stop_during_a_reload_kills_what_compiles_and_drains_what_serves(flow: Path) -> None:
    with instance(flow) as server:
        request = server.ready().asking("wait:1.5")
        wait_until_running(flow, "wait:1.5")
        act = flow / "act.py"
        act.write_text(act.read_text() + "time.sleep(60)\n")
        server.signal(signal.SIGHUP)
        eventually(lambda: len(imported_by(flow)) == 2, within_s=10, why="the new generation should be compiling")
        server.signal(signal.SIGTERM)
        assert server.exit_code(within_s=8) == 0
        assert request.result(1)[0] == 200
        assert "asked to stop before it was ready" in server.log()


def test_signals_while_no_generation_lives(flow: Path) -> None:
    """The second death of a leader within a minute is followed by a pause; the third one is longer."""
    with instance(flow) as server:
        server.ready()
        for generation in range(2, 6):
            os.kill(server.leader(), signal.SIGKILL)
            server.ready(generation)
        os.kill(server.leader(), signal.SIGKILL)
        eventually(lambda: not children(server.master), within_s=5, why="there should be nobody")
        server.signal(signal.SIGHUP)
        server.signal(signal.SIGTERM)
        assert server.exit_code(within_s=5) == 0
        assert "Traceback" not in server.log()


def test_a_reload_while_the_instance_stops_is_refused(flow: Path) -> None:
    with instance(flow) as server:
        request = server.ready().asking("wait:1.5")
        wait_until_running(flow, "wait:1.5")
        server.signal(signal.SIGTERM)
        eventually(lambda: "asked to stop" in server.log(), within_s=5, why="it should be draining")
        server.signal(signal.SIGHUP)
        assert server.exit_code() == 0
        assert request.result(1)[0] == 200
        assert "no reload: the server is stopping" in server.log()
        assert "generation 2" not in server.log()


def test_leader_worker_and_monitor_let_the_masters_signals_pass(flow: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with instance(flow, f"--admin-port={port}") as server:
        leader = server.ready().leader()
        eventually(lambda: len(children(server.master)) == 2, within_s=5, why="there should be a monitor")
        for pid in (*children(server.master), *server.workers()):
            for number in UNHEARD:
                os.kill(pid, number)
        family = [*children(server.master), *server.workers()]
        assert all(server.ask()[0] == 200 for _ in range(10))
        assert [*children(server.master), *server.workers()] == family
        assert server.leader() == leader
        assert server.stop() == 0


def test_a_worker_and_a_leader_tell_their_stacks_when_asked(flow: Path) -> None:
    with instance(flow) as server:
        for pid in (server.ready().workers()[0], server.leader()):
            before = server.log().count("most recent call first")
            os.kill(pid, signal.SIGUSR2)
            eventually(
                lambda before=before: server.log().count("most recent call first") > before, within_s=5, why="stacks"
            )
            assert alive(pid)
        assert server.ask()[0] == 200
        assert server.stop() == 0


def test_every_other_signal_ends_the_master_and_everything_with_it(flow: Path) -> None:
    with instance(flow) as server:
        family = [server.ready().leader(), *server.workers()]
        server.signal(signal.SIGUSR2)  # which its children answer with their stacks
        assert server.exit_code(within_s=5) == -signal.SIGUSR2
        eventually(lambda: not any(map(alive, family)), within_s=2, why="nothing should be left")


def test_a_stopped_worker_is_replaced_and_killed(flow: Path) -> None:
    with instance(flow, "--stuck-after-s=2") as server:
        victim, other = server.ready().workers()
        os.kill(victim, signal.SIGSTOP)
        eventually(lambda: not alive(victim), within_s=10, why="it should be killed once it is missed")
        assert "killed: has not beaten" in server.log()
        assert other in server.workers() and len(server.workers()) == 2
        assert server.ask()[0] == 200
        assert server.stop() == 0


def test_a_reload_beside_three_generations_waits(flow: Path) -> None:
    with instance(flow) as server:
        server.ready()
        held, workers = [], []
        for generation in (2, 3):
            what = f"wait:30.{generation}"
            held.append(server.asking(what))
            workers.append(wait_until_running(flow, what))
            server.signal(signal.SIGHUP)
            server.ready(generation)
        server.signal(signal.SIGHUP)
        waits = "the reload waits until an old generation has finished"
        eventually(lambda: waits in server.log(), within_s=5, why="there is no room for a fourth")
        assert "generation 4" not in server.log()
        os.kill(workers[0], signal.SIGKILL)
        server.ready(4)
        assert isinstance(held[0].exception(5), OSError) and not held[1].done()
        server.signal(signal.SIGTERM)
        eventually(lambda: "asked to stop" in server.log(), within_s=5, why="it should be draining")
        server.signal(signal.SIGINT)
        assert server.exit_code(within_s=5) == 0


def test_workers_of_a_stopped_leader_serve_on(flow: Path) -> None:
    with instance(flow) as server:
        leader = server.ready().leader()
        os.kill(leader, signal.SIGSTOP)
        assert all(server.ask()[0] == 200 for _ in range(10))
        os.kill(leader, signal.SIGCONT)
        assert server.stop() == 0
