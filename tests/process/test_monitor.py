"""The admin port of a real server: it answers whatever becomes of workers, leader, master and of itself."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import re
import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from eventually import eventually
from instance import Instance, alive, children, instance, wait_until_running, write_flow


@pytest.fixture
def flow(tmp_path: Path) -> Path:
    return write_flow(tmp_path / "flow")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def port_of(listener: socket.socket) -> int:
    return int(listener.getsockname()[1])


class Admin:
    """A client of the admin port."""

    def __init__(self, port: int) -> None:
        self.port = port

    def ask(self, path: str, method: str = "GET") -> tuple[int, dict[str, str], bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
        with contextlib.closing(connection):
            connection.request(method, path)
            response = connection.getresponse()
            return response.status, dict(response.getheaders()), response.read()

    def says(self, path: str) -> int:
        return self.ask(path)[0]

    def status(self) -> dict[str, Any]:
        document: dict[str, Any] = json.loads(self.ask("/status")[2])
        return document

    def metric(self, series: str) -> float:
        text = self.ask("/metrics")[2].decode()
        found = re.search(rf"^{re.escape(series)} (\S+)$", text, re.M)
        assert found, f"{series} is not in\n{text}"
        return float(found[1])


@contextlib.contextmanager
def watched(flow: Path, *flags: str) -> Iterator[tuple[Instance, Admin]]:
    port = free_port()
    with instance(flow, f"--admin-port={port}", *flags) as server:
        yield server, Admin(port)


def test_the_pages_of_a_serving_instance(flow: Path) -> None:
    with watched(flow) as (server, admin):
        server.ready()
        assert [server.ask()[0] for _ in range(3)] == [200] * 3
        assert server.get("/health") == 200
        assert (admin.says("/livez"), admin.says("/readyz"), admin.says("/nowhere")) == (200, 200, 404)
        document = admin.status()
        assert (document["state"], document["served"], document["inside"]) == ("ready", 3, 0)
        assert {worker["pid"] for worker in document["workers"]} == set(server.workers())
        assert document["generations"][0]["leader_pid"] == server.leader()
        assert document["generations"][0]["plan"]["name"] == "flow"
        assert admin.metric('pfserve_requests_total{route="score",class="2xx"}') == 3
        assert admin.metric('pfserve_requests_total{route="other",class="2xx"}') == 1
        assert server.stop() == 0


@pytest.mark.skipif(shutil.which("promtool") is None, reason="needs promtool")
def test_prometheus_own_checker_accepts_the_page(flow: Path) -> None:
    with watched(flow) as (server, admin):
        server.ready().ask()
        page = admin.ask("/metrics")
        assert page[1]["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
        checked = subprocess.run(
            ["promtool", "check", "metrics"], input=page[2], capture_output=True, timeout=20, check=False
        )
        assert (checked.returncode, checked.stdout, checked.stderr) == (0, b"", b"")


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"])
def test_no_method_changes_anything(flow: Path, method: str) -> None:
    with watched(flow) as (server, admin):
        server.ready()
        for path in ("/livez", "/readyz", "/metrics", "/status", "/"):
            status, headers, body = admin.ask(path, method)
            assert (status, headers["Allow"], json.loads(body)["error"]["code"]) == (
                405,
                "GET,HEAD",
                "MethodNotAllowed",
            )
        assert admin.ask("/status", "HEAD")[::2] == (200, b"")


def test_counts_survive_the_death_of_those_who_counted(flow: Path) -> None:
    with watched(flow) as (server, admin):
        server.ready()
        for _ in range(4):
            server.ask()
        for victim in server.workers():
            os.kill(victim, signal.SIGKILL)
        eventually(lambda: admin.metric('pfserve_worker_exits_total{cause="crashed"}') == 2, within_s=5, why="2 died")
        eventually(
            lambda: admin.metric('pfserve_workers{state="live"}') == 2, within_s=5, why="there should be new ones"
        )
        assert server.ask()[0] == 200
        os.kill(server.leader(), signal.SIGKILL)
        server.ready(generation=2)
        assert server.ask()[0] == 200
        assert admin.metric('pfserve_requests_total{route="score",class="2xx"}') == 6
        assert admin.metric('pfserve_worker_exits_total{cause="crashed"}') == 4
        assert admin.metric("pfserve_leaders_lost_total") == 1
        assert admin.metric("pfserve_generation") == 2
        assert server.stop() == 0


def test_it_answers_when_every_worker_is_stopped(flow: Path) -> None:
    with watched(flow, "--stuck-after-s=3") as (server, admin):
        workers = server.ready().workers()
        for worker in [server.leader(), *workers]:  # the leader too: it would replace them
            os.kill(worker, signal.SIGSTOP)
        assert admin.says("/livez") == 200  # nobody is missed yet
        eventually(lambda: admin.says("/readyz") == 503, within_s=6, why="no worker beats: not ready")
        eventually(lambda: admin.says("/livez") == 503, within_s=9, why="twice as long: not alive")
        assert {worker["pid"] for worker in admin.status()["workers"]} == set(workers)
        for worker in [server.leader(), *workers]:
            os.kill(worker, signal.SIGCONT)
        eventually(lambda: admin.says("/readyz") == admin.says("/livez") == 200, within_s=9, why="they beat again")
        assert server.stop() == 0


def test_it_answers_when_every_worker_is_dead(flow: Path) -> None:
    """And nobody replaces them: their leader is stopped. That is told as soon as they are missed."""
    with watched(flow, "--stuck-after-s=2") as (server, admin):
        workers, leader = server.ready().workers(), server.leader()
        assert server.ask()[0] == 200
        os.kill(leader, signal.SIGSTOP)
        for worker in workers:
            os.kill(worker, signal.SIGKILL)
        eventually(lambda: admin.says("/readyz") == 503, within_s=5, why="there is no worker: not ready")
        eventually(lambda: admin.says("/livez") == 503, within_s=8, why="and for long: not alive")
        assert admin.status()["state"] == "dead"
        assert admin.metric('pfserve_requests_total{route="score",class="2xx"}') == 1
        os.kill(leader, signal.SIGCONT)
        eventually(lambda: admin.says("/readyz") == admin.says("/livez") == 200, within_s=9, why="others have come")
        assert not {worker["pid"] for worker in admin.status()["workers"]} & set(workers)
        assert admin.metric('pfserve_worker_exits_total{cause="crashed"}') == 2
        assert server.stop() == 0


def test_it_answers_when_every_worker_is_stuck(flow: Path) -> None:
    """In code that blocks, while their leader replaces them."""
    with watched(flow, "--stuck-after-s=2") as (server, admin):
        stuck = set(server.ready().workers())
        held = [server.asking("block:60") for _ in range(2)]  # the second one goes where no connection is

        def silent() -> set[int]:
            return {worker["pid"] for worker in admin.status()["workers"] if (worker["beat_age_s"] or 0) > 1.3}

        eventually(lambda: silent() == stuck, within_s=6, why="it should tell that nobody beats")
        assert admin.says("/livez") == 200, "not for long yet"
        eventually(lambda: admin.says("/readyz") == 200, within_s=15, why="they should be replaced")
        eventually(lambda: not stuck & {worker["pid"] for worker in admin.status()["workers"]}, within_s=9, why="gone")
        assert admin.metric('pfserve_worker_exits_total{cause="stuck"}') == 2
        assert server.ask()[0] == 200
        assert [type(request.exception(5)) for request in held] and server.stop() == 0


def test_it_answers_when_the_master_is_stopped(flow: Path) -> None:
    with watched(flow) as (server, admin):
        server.ready().signal(signal.SIGSTOP)
        assert admin.says("/livez") == 200
        eventually(lambda: admin.says("/livez") == 503, within_s=8, why="the master's beat is older than 5 s")
        assert (admin.says("/readyz"), server.ask()[0], admin.status()["state"]) == (200, 200, "dead")
        server.signal(signal.SIGCONT)
        eventually(lambda: admin.says("/livez") == 200, within_s=3, why="the master beats again")
        assert server.stop() == 0


def test_it_answers_while_the_flow_is_imported_and_while_it_drains(tmp_path: Path) -> None:
    flow = write_flow(tmp_path / "flow", "time.sleep(2)\n")
    with watched(flow) as (server, admin):
        eventually(lambda: admin.says("/livez") == 200, within_s=2, why="the monitor does not wait for the flow")
        assert (admin.says("/readyz"), admin.status()["state"]) == (503, "not ready")
        assert admin.status()["generations"][0]["state"] == "compiling"
        request = server.ready().asking("wait:2")
        wait_until_running(flow, "wait:2")
        server.signal(signal.SIGTERM)
        eventually(lambda: admin.says("/readyz") == 503, within_s=1, why="draining: not ready")
        assert (admin.says("/livez"), admin.status()["state"], admin.status()["inside"]) == (200, "draining", 1)
        assert (request.result(5)[0], server.exit_code()) == (200, 0)


def test_a_killed_monitor_is_replaced_and_nobody_else_notices(flow: Path) -> None:
    with watched(flow) as (server, admin):
        server.ready()
        before = {server.leader(), *server.workers()}
        request = server.asking("wait:1")
        for lost in range(1, 4):
            monitor = eventually(lambda: admin.status()["monitor"]["pid"], within_s=5, why="there should be a monitor")
            assert monitor in children(server.master)
            os.kill(monitor, signal.SIGKILL)
            eventually(lambda n=lost: admin.status()["monitor"]["lost"] == n, within_s=5, why="another should answer")
        assert request.result(5)[0] == 200
        assert {server.leader(), *server.workers()} == before
        assert f"the monitor, pid {monitor}, was killed by SIGKILL" in server.log()
        assert server.stop() == 0
        assert "left behind" not in server.log()


def test_the_monitor_dies_with_the_master(flow: Path) -> None:
    with watched(flow) as (server, admin):
        server.ready()
        monitor = admin.status()["monitor"]["pid"]
        os.kill(monitor, signal.SIGSTOP)
        server.signal(signal.SIGKILL)
        server.process.wait(5)
        eventually(lambda: not alive(monitor), within_s=2, why="it should die though it is stopped")


def test_the_main_port_shows_the_pages_only_where_asked(flow: Path) -> None:
    with watched(flow, "--expose-admin") as (server, admin):
        assert server.ready().get("/metrics") == server.get("/status") == 200
        inside = Admin(server.port)
        assert inside.status()["workers"][0].keys() == admin.status()["workers"][0].keys()
        series = [re.findall(r"^\w+\{[^}]*\}|^\w+", a.ask("/metrics")[2].decode(), re.M) for a in (inside, admin)]
        assert series[0] == series[1]
    with watched(flow) as (server, _):
        assert server.ready().get("/metrics") == server.get("/status") == 404


# -- ports


def test_a_taken_admin_port_that_was_asked_for_ends_the_start(flow: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other, instance(flow, f"--admin-port={port_of(other)}") as server:
        assert server.exit_code() == 5
        assert "--admin-port" in server.log() and "Address already in use" in server.log()


def test_the_main_port_is_no_admin_port(flow: Path) -> None:
    port = free_port()
    with instance(flow, f"--port={port}", f"--admin-port={port}") as server:
        assert server.exit_code() == 5
        assert "is the main port" in server.log() and "--admin-port" in server.log()


def test_two_servers_with_the_default_admin_port(flow: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever comes second serves without one and says so."""
    monkeypatch.delenv("PFSERVE_ADMIN_PORT")
    other = flow.parent / "other"
    other.mkdir()
    with instance(flow) as first:
        first.ready()
        with instance(write_flow(other / "flow")) as second:
            second.ready()
            assert "no admin port: cannot listen on 127.0.0.1:8081" in second.log()
            assert second.ask()[0] == 200
