"""``--uds``: instead of a port or beside it; a dead server's file is replaced, a live one's never."""

from __future__ import annotations

import signal
import socket
import stat
from pathlib import Path

import pytest

from eventually import eventually
from instance import Instance, imported_by, instance, write_flow
from load import REQUEST, Client


@pytest.fixture
def flow(tmp_path: Path) -> Path:
    return write_flow(tmp_path / "flow")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "sock"


def ready(server: Instance, generation: int = 1) -> None:
    told = f"generation {generation}: 2 workers ready"
    eventually(lambda: told in server.log(), within_s=20, why="it should get ready")


def ask(path: Path) -> int:
    client = Client(str(path))
    client.send(REQUEST)
    status = client.answer()
    client.close()
    return status


def test_it_stands_for_the_port_and_is_removed_at_the_end(flow: Path, path: Path) -> None:
    with instance(flow, f"--uds={path}", port=None) as server:
        ready(server)
        assert f"serving on unix:{path}\n" in server.log()
        assert ask(path) == 200
        mode = path.stat().st_mode
        assert stat.S_ISSOCK(mode) and stat.S_IMODE(mode) == 0o660
        assert server.stop() == 0
        assert not path.exists()


def test_with_a_port_both_are_served_over_reloads(flow: Path, path: Path) -> None:
    with instance(flow, f"--uds={path}") as server:
        idle = Client(str(server.ready() and path))
        for generation in range(2, 5):
            server.signal(signal.SIGHUP)
            ready(server, generation)
            assert ask(path) == 200
            assert server.ask()[0] == 200
        idle.send(REQUEST)
        assert idle.answer() == 200, "connections of Unix sockets move, too"
        idle.close()
        assert server.stop() == 0


def test_what_a_killed_server_left_is_replaced(flow: Path, path: Path) -> None:
    with instance(flow, f"--uds={path}", port=None) as server:
        ready(server)
        server.signal(signal.SIGKILL)
        server.process.wait(5)
        assert path.exists()
    with instance(flow, f"--uds={path}", port=None) as server:
        ready(server)
        assert ask(path) == 200
        assert server.stop() == 0


def test_a_live_servers_socket_is_left_alone(tmp_path: Path, path: Path) -> None:
    flow = write_flow(tmp_path / "flow", "time.sleep(1)\n")
    with instance(flow, f"--uds={path}", port=None) as first:
        eventually(lambda: imported_by(flow), within_s=10, why="it should be compiling, and not listen yet")
        (tmp_path / "second").mkdir()
        second_flow = write_flow(tmp_path / "second" / "flow")
        with instance(second_flow, f"--uds={path}", port=None) as second:
            assert second.exit_code() == 5
            assert str(path) in second.log() and not imported_by(second_flow)
        ready(first)
        assert ask(path) == 200
        assert first.stop() == 0


def test_somebody_elses_live_socket_is_left_alone(flow: Path, path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(str(path))
        other.listen()
        with instance(flow, f"--uds={path}", port=None) as server:
            assert server.exit_code() == 5
        assert path.exists()


@pytest.mark.parametrize("what", ["a file", "no folder", "too long"])
def test_a_path_where_no_socket_can_be(what: str, flow: Path, tmp_path: Path) -> None:
    path = tmp_path / {"a file": "file", "no folder": "none/sock", "too long": "x" * 120}[what]
    if what == "a file":
        path.write_text("precious")
    with instance(flow, f"--uds={path}", port=None) as server:
        assert server.exit_code() == 2
        assert str(path) in server.log()
    if what == "a file":
        assert path.read_text() == "precious"
