"""The process tree under real signals, deaths and bad user code."""

from __future__ import annotations

import http.client
import os
import random
import signal
import socket
import subprocess
import sys
from concurrent.futures import wait
from pathlib import Path

import pytest

from eventually import eventually
from instance import Instance, alive, children, imported_by, instance, wait_until_running, write_flow
from load import REQUEST, Client


@pytest.fixture
def flow(tmp_path: Path) -> Path:
    return write_flow(tmp_path / "flow")


def all_gone(*pids: int) -> bool:
    return not any(alive(pid) for pid in pids)


def open_files(pid: int) -> str:
    return Path(f"/proc/{pid}/maps").read_text()


# -- the ordinary life


def test_the_workers_serve_and_the_master_has_seen_nothing_of_the_flow(flow: Path) -> None:
    with instance(flow) as server:
        server.ready()
        pids = {server.ask()[1] for _ in range(8)}
        assert pids <= {str(pid) for pid in server.workers()}
        assert imported_by(flow) and set(imported_by(flow)) == {server.leader()}
        assert "uvloop" not in open_files(server.master) and "aiohttp" not in open_files(server.master)
        assert "uvloop" in open_files(server.leader())
        assert server.stop() == 0


def test_above_the_fork_line_nothing_brings_a_loop_or_a_client() -> None:
    heavy = {"asyncio", "aiohttp", "uvloop", "jinja2", "yaml", "concurrent", "opentelemetry", "tiktoken", "ssl"}
    program = "import sys, pfserve.cli, pfserve.config, pfserve.master; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=20, check=True)
    assert "pfserve.master.master" in loaded.stdout.split()
    assert heavy.isdisjoint(loaded.stdout.split())


def test_the_pidfile_names_the_master_and_is_gone_afterwards(flow: Path, tmp_path: Path) -> None:
    with instance(flow, f"--pidfile={tmp_path / 'pid'}") as server:
        server.ready()
        assert (tmp_path / "pid").read_text() == f"{server.master}\n"
        server.stop()
        assert not (tmp_path / "pid").exists()


# -- deaths


def test_a_killed_worker_is_replaced_and_its_ticket_is_free_again(flow: Path) -> None:
    with instance(flow, "--max-concurrent-requests=1") as server:
        lost = server.ready().asking("block:30")
        victim = wait_until_running(flow, "block:30")
        assert server.ask()[0] == 429
        os.kill(victim, signal.SIGKILL)
        with pytest.raises(OSError):
            lost.result(5)
        eventually(lambda: server.ask()[0] == 200, within_s=5, why="the dead worker's ticket should be free")
        eventually(lambda: len(server.workers()) == 2, within_s=5, why="the worker should be replaced")
        assert victim not in server.workers()
        assert server.stop() == 0


def test_a_killed_leader_takes_its_workers_along_and_a_new_one_serves(flow: Path) -> None:
    with instance(flow) as server:
        server.ready().asking("block:60")  # a worker that cannot hear that its channel is closed
        wait_until_running(flow, "block:60")
        leader, workers = server.leader(), server.workers()
        os.kill(leader, signal.SIGKILL)
        eventually(lambda: all_gone(leader, *workers), within_s=5, why="the workers should die with their leader")
        assert server.ready(generation=2).ask()[0] == 200
        assert server.leader() != leader
        assert server.stop() == 0


def test_a_killed_master_takes_everything_along(flow: Path) -> None:
    with instance(flow) as server:
        server.ready().asking("block:60")
        wait_until_running(flow, "block:60")
        tree = [server.leader(), *server.workers()]
        server.signal(signal.SIGKILL)
        server.process.wait(5)
        eventually(lambda: all_gone(*tree), within_s=5, why="leader and workers should die with the master")


def test_a_stuck_worker_tells_its_stack_and_is_replaced(flow: Path) -> None:
    with instance(flow, "--stuck-after-s=2") as server:
        before = server.ready().workers()
        lost = server.asking("block:60")
        with pytest.raises(OSError):
            lost.result(15)
        eventually(lambda: len(server.workers()) == 2, within_s=5, why="there should be two workers again")
        assert len(set(server.workers()) & set(before)) == 1
        told = ["has not beaten for", "act.py", "ready", "killed: has not beaten"]
        rest = server.log()
        for text in told:  # the stack, then the replacement, and only then the end
            _, found, rest = rest.partition(text)
            assert found, (text, server.log())
        assert server.stop() == 0


def test_a_stopped_holder_of_the_lock_is_killed(flow: Path) -> None:
    with instance(flow) as server:
        server.ready()
        lost = server.asking("lock")
        with pytest.raises(OSError):
            lost.result(10)
        assert "has held the region's lock" in server.log()
        eventually(lambda: server.ask()[0] == 200, within_s=5, why="the others should have the lock again")
        assert server.stop() == 0


def test_after_a_row_of_kills_under_load_the_bound_is_still_exact(flow: Path) -> None:
    with instance(flow, "--max-concurrent-requests=3") as server:
        server.ready()
        draw = random.Random(7)
        for turn in range(12):
            load = [server.asking("wait:0.2") for _ in range(6)]
            eventually(server.workers, within_s=10, why="there should be a worker to kill")
            victim = server.leader() if turn % 4 == 3 else draw.choice(server.workers())
            os.kill(victim, signal.SIGKILL)
            wait(load)
            eventually(lambda: server.ask()[0] == 200, within_s=10, why=f"it should serve after kill {turn}")
        eventually(lambda: len(server.workers()) == 2, within_s=10, why="there should be two workers again")
        held = [server.asking("wait:1.5") for _ in range(3)]
        eventually(lambda: server.ask()[0] == 429, within_s=1, why="three requests should fill the instance")
        assert [request.result(5)[0] for request in held] == [200, 200, 200]
        assert server.stop() == 0


def test_what_user_code_left_running_is_adopted_and_ended_with_the_server(flow: Path) -> None:
    with instance(flow) as server:
        orphan = int(server.ready().ask("orphan:1000")[1])
        eventually(lambda: orphan in children(server.master), within_s=5, why="the master should adopt the orphan")
        assert server.stop() == 0
        assert not alive(orphan)


# -- stopping


def test_sigterm_lets_a_request_finish(flow: Path) -> None:
    with instance(flow) as server:
        request = server.ready().asking("wait:1.5")
        wait_until_running(flow, "wait:1.5")
        server.signal(signal.SIGTERM)
        assert server.exit_code() == 0
        assert request.result(1)[0] == 200


def test_sigterm_that_comes_twice_at_once_lets_a_request_finish(flow: Path) -> None:
    """As timeout(1) sends it: to the process, then to its group."""
    with instance(flow) as server:
        request = server.ready().asking("wait:1.5")
        wait_until_running(flow, "wait:1.5")
        server.signal(signal.SIGTERM)
        os.killpg(server.master, signal.SIGTERM)
        assert server.exit_code() == 0
        assert request.result(1)[0] == 200


def test_while_it_drains_new_connections_are_refused(flow: Path) -> None:
    with instance(flow) as server:
        request = server.ready().asking("wait:1.5")
        wait_until_running(flow, "wait:1.5")
        server.signal(signal.SIGTERM)

        eventually(lambda: not server.listens(), within_s=1, why="nobody should listen any more")
        assert not request.done()
        assert server.exit_code() == 0


def test_while_it_drains_a_request_on_a_live_connection_is_answered_503(flow: Path) -> None:
    with instance(flow) as server:
        client = Client(server.ready().port)
        client.send(REQUEST[:30])  # live: half a head is there
        held = server.asking("wait:1.5")
        wait_until_running(flow, "wait:1.5")
        server.signal(signal.SIGTERM)
        eventually(lambda: not server.listens(), within_s=1, why="it should be draining")
        client.send(REQUEST[30:])
        status = client.answer()
        client.close()
        assert status == 503
        assert b"retry-after: 1" in client.head.lower() and b"connection: close" in client.head.lower()
        assert server.exit_code() == 0
        assert held.result(1)[0] == 200


def test_idle_and_silent_connections_do_not_hold_the_drain_up(flow: Path) -> None:
    with instance(flow) as server, socket.socket() as silent:
        idle = http.client.HTTPConnection("127.0.0.1", server.ready().port, timeout=5)
        idle.request("GET", "/health")
        idle.getresponse().read()
        silent.connect(("127.0.0.1", server.port))
        assert server.get("/health") == 200  # accepted after the silent one, so that one is too
        server.signal(signal.SIGTERM)
        assert server.exit_code(within_s=5) == 0
        idle.close()


def test_stop_during_a_reload_cuts_the_time_of_the_old_generation_short(flow: Path) -> None:
    with instance(flow, "--grace-s=1") as server:
        request = server.ready().asking("wait:30")
        wait_until_running(flow, "wait:30")
        server.signal(signal.SIGHUP)
        server.ready(generation=2)
        assert not request.done()
        server.signal(signal.SIGTERM)
        assert server.exit_code(within_s=5) == 0
        assert isinstance(request.exception(1), OSError)


def test_a_signal_to_the_whole_group_lets_a_request_finish(flow: Path) -> None:
    with instance(flow) as server:
        request = server.ready().asking("wait:1.5")
        wait_until_running(flow, "wait:1.5")
        os.killpg(server.master, signal.SIGINT)
        assert server.exit_code() == 0
        assert request.result(1)[0] == 200


def test_during_the_drain_delay_it_serves_but_is_unready(flow: Path) -> None:
    with instance(flow, "--drain-delay-s=2") as server:
        assert server.ready().get("/readyz") == 200
        server.signal(signal.SIGTERM)
        eventually(lambda: server.get("/readyz") == 503, within_s=1.5, why="it should be unready at once")
        assert server.get("/health") == 503
        assert server.get("/livez") == 200
        assert server.ask()[0] == 200
        assert server.exit_code() == 0


def test_a_request_that_outlasts_the_grace_is_lost_and_the_exit_code_is_0(flow: Path) -> None:
    with instance(flow, "--grace-s=1") as server:
        request = server.ready().asking("wait:30")
        wait_until_running(flow, "wait:30")
        server.signal(signal.SIGTERM)
        assert server.exit_code(within_s=5) == 0
        assert isinstance(request.exception(1), OSError)
        assert "1 requests lost" in server.log()


def test_a_worker_that_cannot_hear_is_killed_at_the_deadline(flow: Path) -> None:
    with instance(flow, "--grace-s=1") as server:
        request = server.ready().asking("block:30")
        wait_until_running(flow, "block:30")
        server.signal(signal.SIGTERM)
        assert server.exit_code(within_s=5) == 0
        assert isinstance(request.exception(1), OSError)
        assert "did not finish by its deadline" in server.log()


def test_the_second_signal_means_now(flow: Path) -> None:
    with instance(flow) as server:
        request = server.ready().asking("wait:30")
        tree = [server.leader(), *server.workers()]
        wait_until_running(flow, "wait:30")
        server.signal(signal.SIGTERM)
        eventually(lambda: "draining" in server.log(), within_s=5, why="it should be draining")
        server.signal(signal.SIGINT)
        assert server.exit_code(within_s=5) == 0
        assert isinstance(request.exception(1), OSError)
        assert all_gone(*tree)


def test_sigterm_while_the_flow_is_imported(tmp_path: Path) -> None:
    flow = write_flow(tmp_path / "flow", "time.sleep(60)\n")
    with instance(flow) as server:
        eventually(lambda: imported_by(flow), within_s=10, why="the import should have begun")
        server.signal(signal.SIGTERM)
        assert server.exit_code(within_s=5) == 0
        assert all_gone(*imported_by(flow))


# -- boot failures

SLEEPS = "time.sleep(60)\n"
DIES_AFTER_A_MOMENT = "os.register_at_fork(after_in_child=lambda: signal.setitimer(signal.ITIMER_REAL, 0.2))\n"
DIES_AT_ONCE = "os.register_at_fork(after_in_child=lambda: os.kill(os.getpid(), signal.SIGKILL))\n"
NO_LOOP = "import uvloop\ndef broken(): raise OSError('no loop today')\nuvloop.new_event_loop = broken\n"

BOOT_FAILURES = {
    "raises": ("1 / 0\n", (), 3, ["act.py", "ZeroDivisionError"]),
    "ends the process": ("sys.exit(0)\n", (), 3, ["sys.exit"]),
    "is no Python": ("def\n", (), 3, ["act.py:"]),
    "hangs": (SLEEPS, ("--boot-timeout-s=1",), 4, ["within 1 s", "act.py"]),
    "kills the leader": ("os.kill(os.getpid(), signal.SIGKILL)\n", (), 4, ["was killed by SIGKILL"]),
    "keeps workers from booting": (NO_LOOP, (), 4, ["no loop today"]),
    "kills workers before they are ready": (DIES_AT_ONCE, (), 4, ["was killed by SIGKILL"]),
    "kills workers when they serve": (DIES_AFTER_A_MOMENT, ("--workers=1",), 6, ["workers died within"]),
    "does not compile in the workers": ("1 / 0\n", ("--no-preload",), 3, ["act.py", "ZeroDivisionError"]),
    "hangs in the workers": (SLEEPS, ("--no-preload", "--boot-timeout-s=1"), 4, ["within 1 s", "act.py"]),
}


@pytest.mark.parametrize("name", BOOT_FAILURES)
def test_boot_failure(name: str, tmp_path: Path) -> None:
    on_import, flags, exit_code, texts = BOOT_FAILURES[name]
    with instance(write_flow(tmp_path / "flow", on_import), *flags) as server:
        assert server.exit_code(within_s=25) == exit_code, server.log()
        for text in texts:
            assert text in server.log()


def test_a_port_in_use_is_told_before_anything_is_imported(flow: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with instance(flow, f"--port={port}") as server:
            assert server.exit_code() == 5
            assert f"cannot listen on 127.0.0.1:{port}: Address already in use (--host and --port set" in server.log()
            assert not imported_by(flow)


def test_of_two_servers_that_start_at_once_one_is_told_that_the_port_is_in_use(tmp_path: Path) -> None:
    flow = write_flow(tmp_path / "flow", "time.sleep(1)\n")
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        other.bind(("127.0.0.1", 0))
        with instance(flow, f"--port={other.getsockname()[1]}") as server:
            eventually(lambda: imported_by(flow), within_s=10, why="the server should have bound the same port")
            other.listen()
            assert server.exit_code() == 5
            assert "in use" in server.log()


def test_a_pidfile_that_cannot_be_written_is_told(flow: Path, tmp_path: Path) -> None:
    with instance(flow, f"--pidfile={tmp_path / 'nowhere' / 'pid'}") as server:
        assert server.exit_code() == 2
        assert "nowhere" in server.log()


def test_nobody_listens_before_a_worker_is_ready(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    flow = write_flow(tmp_path / "flow", "time.sleep(1.5)\n")
    with instance(flow, f"--port={port}") as server:
        eventually(lambda: imported_by(flow), within_s=10, why="the import should have begun")
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port), 1)
        assert server.ready().ask()[0] == 200


# -- user code that does odd things on import, and is served all the same


def serve_and_stop(server: Instance) -> None:
    assert server.ask()[0] == 200
    assert server.stop() == 0


def test_a_thread_left_on_import_is_named_and_each_worker_compiles(tmp_path: Path) -> None:
    thread = "import threading\nthreading.Thread(target=time.sleep, args=(600,), name='ticker', daemon=True).start()\n"
    flow = write_flow(tmp_path / "flow", thread)
    with instance(flow) as server:
        server.ready(generation=2)
        assert "WARNING" in server.log() and "'ticker'" in server.log()
        assert set(server.workers()) < set(imported_by(flow))
        assert server.leader() not in imported_by(flow)
        serve_and_stop(server)


def test_a_child_forked_on_import_does_not_become_a_second_leader(tmp_path: Path) -> None:
    flow = write_flow(tmp_path / "flow", "CHILD = os.fork()\n")
    with instance(flow) as server:
        server.ready()
        assert len(children(server.master)) == 1
        eventually(lambda: len(server.workers()) == 2, within_s=5, why="the stray child should be gone and reaped")
        serve_and_stop(server)


def test_a_child_that_stays_is_not_counted_as_a_worker(tmp_path: Path) -> None:
    flow = write_flow(tmp_path / "flow", "STRAY = subprocess.Popen(['sleep', '0.5'])\n")
    with instance(flow) as server:
        server.ready()
        eventually(lambda: len(server.workers()) == 2, within_s=5, why="the stray child should end and be reaped")
        serve_and_stop(server)


def test_signal_handlers_and_folder_are_restored_after_the_import(tmp_path: Path) -> None:
    disturb = (
        "os.chdir('/')\n"
        "for number in (signal.SIGTERM, signal.SIGINT): signal.signal(number, signal.SIG_DFL)\n"
        "signal.signal(signal.SIGCHLD, signal.SIG_IGN)\n"
        "signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGCHLD, signal.SIGTERM])\n"
        "signal.alarm(1)\n"
    )
    flow = write_flow(tmp_path / "flow", disturb)
    with instance(flow) as server:
        worker = server.ready().workers()[0]
        assert Path(f"/proc/{worker}/cwd").resolve() == flow  # where flows run, whatever the import did
        assert Path(f"/proc/{server.master}/cwd").resolve() == tmp_path
        os.kill(worker, signal.SIGKILL)
        eventually(lambda: worker not in server.workers() and len(server.workers()) == 2, within_s=5, why="reaped")
        request = server.asking("wait:1.5")
        wait_until_running(flow, "wait:1.5")
        os.killpg(server.master, signal.SIGTERM)
        assert server.exit_code() == 0
        assert request.result(1)[0] == 200


# -- reload


def test_reload_puts_a_new_generation_in_the_place_of_the_old_one(flow: Path) -> None:
    with instance(flow) as server:
        leader, workers = server.ready().leader(), server.workers()
        server.signal(signal.SIGHUP)
        server.ready(generation=2)
        eventually(lambda: all_gone(leader, *workers), within_s=5, why="the old generation should end")
        assert imported_by(flow)[-1] == server.leader()
        serve_and_stop(server)


def test_reload_with_a_broken_flow_leaves_the_old_generation_serving(flow: Path) -> None:
    with instance(flow) as server:
        leader = server.ready().leader()
        (flow / "act.py").write_text("def\n")
        server.signal(signal.SIGHUP)
        eventually(lambda: "the one before goes on" in server.log(), within_s=10, why="the failure should be told")
        assert "act.py:1" in server.log()
        assert server.leader() == leader
        serve_and_stop(server)


@pytest.mark.parametrize("_", range(3))
def test_a_stop_right_behind_a_reload(tmp_path: Path, _: int) -> None:
    """The old generation may end in the very turn in which the master is told to stop."""
    flow = write_flow(tmp_path / "flow")
    with instance(flow) as server:
        server.ready()
        server.signal(signal.SIGHUP)
        server.ready(generation=2)
        eventually(lambda: "(leaving): exited" in server.log(), within_s=10, why="the old generation should end")
        assert server.stop() == 0, server.log()
