"""``pfserve reload`` and ``pfserve status`` against a real server."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from eventually import eventually
from instance import ROOT, Instance, instance, write_flow


@pytest.fixture(autouse=True)
def runtime(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The runtime folder of server and commands."""
    folder = tmp_path / "run"
    folder.mkdir()
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(folder))
    return folder


@pytest.fixture
def flow(tmp_path: Path) -> Path:
    return write_flow(tmp_path / "flow")


def command(*words: str) -> subprocess.CompletedProcess[str]:
    program = [sys.executable, "-c", "from pfserve.cli import main; main()", *words]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run(program, capture_output=True, text=True, timeout=30, check=False, env=environment)


def here(server: Instance) -> str:
    return f"--port={server.port}"


def test_a_reload_is_over_when_the_new_generation_serves(flow: Path) -> None:
    with instance(flow) as server:
        before = set(server.ready().workers())
        done = command("reload", here(server))
        assert (done.returncode, done.stdout, done.stderr) == (0, "generation 2 serves\n", "")
        assert server.ask()[0] == 200
        assert before.isdisjoint(server.workers())
        assert server.stop() == 0


def test_a_reload_that_fails_says_everything_that_is_wrong(flow: Path) -> None:
    with instance(flow) as server:
        server.ready()
        definition = flow / "flow.dag.yaml"
        definition.write_text(definition.read_text() + "- name: second\n  type: python\n- name: act\n  type: python\n")
        failed = command("reload", here(server))
        assert (failed.returncode, failed.stdout) == (1, "")
        first, *mistakes = failed.stderr.splitlines()
        assert first == "pfserve: error: the new generation does not serve: the flow does not compile"
        assert len(mistakes) == 2 and all("flow.dag.yaml:" in mistake for mistake in mistakes)
        assert server.ask()[0] == 200
        assert server.stop() == 0


def test_a_reload_asked_for_during_another_waits_for_its_own(flow: Path) -> None:
    with instance(flow) as server:
        server.ready()
        act = flow / "act.py"
        act.write_text(act.read_text() + "time.sleep(2)\n")
        server.signal(signal.SIGHUP)
        eventually(lambda: "generation 2, leader" in server.log(), within_s=5, why="the reload should begin")
        second = command("reload", here(server))
        assert second.returncode == 0 and "generation 3 serves" in second.stdout
        assert server.ready(generation=3).stop() == 0


def test_the_pidfile_names_the_server_too(flow: Path, tmp_path: Path, runtime: Path) -> None:
    pidfile = tmp_path / "pid"
    with instance(flow, f"--pidfile={pidfile}") as server:
        server.ready()
        sockets = [tmp_path / "pid.control", runtime / "pfserve" / f"port-{server.port}.control"]
        assert [path.stat().st_mode & 0o777 for path in sockets] == [0o600, 0o600]
        assert (runtime / "pfserve").stat().st_mode & 0o777 == 0o700
        assert command("reload", f"--pidfile={pidfile}").returncode == 0
        assert server.stop() == 0
        assert not any(path.exists() for path in sockets)


def test_status_is_a_table_or_a_document(flow: Path) -> None:
    with instance(flow) as server:
        server.ready().ask()
        shown = command("status", here(server))
        assert shown.returncode == 0 and f"{server.workers()[0]}" in shown.stdout
        assert re.match(r"pfserve \S+: ready, up \d+ s, generation 1\n", shown.stdout)
        assert "requests: 0 of 10 inside (0 in the line), 1 served, 0 failed, 0 refused" in shown.stdout
        document = json.loads(command("status", "--json", here(server)).stdout)
        assert {worker["pid"] for worker in document["workers"]} == set(server.workers())
        assert server.stop() == 0


def test_nobody_there(tmp_path: Path) -> None:
    for words in (["--port=1"], [f"--pidfile={tmp_path / 'none'}"]):
        for what in ("status", "reload"):
            done = command(what, *words)
            assert done.returncode == 1 and done.stdout == ""
            assert "no server answers" in done.stderr and "--pidfile" in done.stderr and "--port" in done.stderr


def test_the_server_stops_during_a_reload(flow: Path) -> None:
    with instance(flow) as server:
        server.ready()
        act = flow / "act.py"
        act.write_text(act.read_text() + "time.sleep(30)\n")
        client = subprocess.Popen(
            [sys.executable, "-c", "from pfserve.cli import main; main()", "reload", here(server)],
            stderr=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": str(ROOT)},
        )  # fmt: skip
        eventually(lambda: "generation 2, leader" in server.log(), within_s=5, why="the reload should begin")
        assert server.stop() == 0
        assert "asked to stop" in client.communicate(timeout=10)[1] and client.returncode == 1


def connected(path: Path) -> socket.socket:
    client = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    client.connect(str(path))
    client.settimeout(10)
    return client


def test_bad_clients_do_no_harm(flow: Path, tmp_path: Path) -> None:
    path = tmp_path / "pid.control"
    with instance(flow, f"--pidfile={tmp_path / 'pid'}") as server:
        server.ready()
        silent = [connected(path) for _ in range(40)]  # more than it keeps
        for word in (
            b"\xff\x00",
            b"[]",
            b'"x"',
            b'{"ask": ["reload"]}',
            b'{"ask": "' + b"x" * 3000 + b'"}',
            b"[" * 4000,
        ):
            answer = eventually(lambda w=word: asked(path, w), within_s=10, why="it should answer")
            assert json.loads(answer)["ok"] is False
        for client in silent:
            client.close()
        gone = connected(path)
        gone.send(b'{"ask": "status"}')
        gone.close()
        eventually(lambda: command("status", here(server)).returncode == 0, within_s=10, why="it should still answer")
        assert server.ask()[0] == 200
        assert server.stop() == 0


def asked(path: Path, word: bytes) -> bytes:
    with connected(path) as client:
        client.send(word)
        return client.recv(4096)


def test_what_a_killed_server_left_does_not_stand_in_the_way(flow: Path, tmp_path: Path) -> None:
    pidfile = f"--pidfile={tmp_path / 'pid'}"
    with instance(flow, pidfile) as server:
        server.ready().signal(signal.SIGKILL)
        server.process.wait(5)
        assert (tmp_path / "pid.control").exists()
    with instance(flow, pidfile) as server:
        server.ready()
        assert command("status", pidfile).returncode == 0
        assert server.stop() == 0


def test_of_two_servers_with_one_pidfile_the_later_one_has_it_all(flow: Path, tmp_path: Path) -> None:
    """Who reloads by the pid file reaches the server that it names, and the first one ends without taking it along."""
    pid = tmp_path / "pid"
    with instance(flow, f"--pidfile={pid}") as first:
        first.ready()
        (tmp_path / "second").mkdir()
        with instance(write_flow(tmp_path / "second" / "flow"), f"--pidfile={pid}") as second:
            second.ready()
            assert "the pid file is that of another server, which runs on" in second.log()
            assert command("reload", f"--pidfile={pid}").returncode == 0
            assert pid.read_text() == f"{second.master}\n"
            assert "generation 2" in second.log() and "generation 2" not in first.log()
            assert first.stop() == 0
            assert command("status", f"--pidfile={pid}").returncode == 0
            assert second.stop() == 0
            assert list(tmp_path.glob("pid*")) == []


def test_a_folder_that_is_somebody_elses_is_not_used(flow: Path, runtime: Path) -> None:
    (runtime / "pfserve").mkdir(mode=0o755)
    (runtime / "pfserve").chmod(0o777)
    with instance(flow) as server:
        server.ready()
        assert "no control socket" in server.log() and "is not a folder that only this user may enter" in server.log()
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as impostor:
            impostor.bind(str(runtime / "pfserve" / f"port-{server.port}.control"))
            impostor.listen()
            done = command("reload", here(server))
            assert done.returncode == 1 and "is not a folder that only this user may enter" in done.stderr
        assert server.stop() == 0
