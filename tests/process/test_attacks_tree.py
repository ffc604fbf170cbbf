"""What an attacker found in the process tree: odd surroundings, odd deaths, user code that spoils its process."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import json
import os
import re
import signal
import socket
import stat
import subprocess
from pathlib import Path

import pytest

from eventually import eventually
from instance import Instance, alive, children, imported_by, instance, write_flow
from pfserve.errors import ConfigError
from pfserve.leader import describe_exit
from pfserve.master.master import descriptors_needed
from pfserve.master.pidfile import pidfile

REAL_TIME_SIGNAL = 40
OPENS_FILES = """
import os, time
from promptflow.core import tool

@tool
def act(what: str) -> str:
    with open(__file__), open(__file__), open(__file__):
        time.sleep(0.01)
    return str(os.getpid())
"""

LEAKS_FILES = """
import contextlib, os
from promptflow.core import tool

KEPT = []

@tool
def act(what: str) -> str:
    with contextlib.suppress(OSError):
        while what == "leak":
            KEPT.append(open(os.devnull))
    return str(os.getpid())
"""


@pytest.fixture
def flow(tmp_path: Path) -> Path:
    return write_flow(tmp_path / "flow")


# -- deaths


def test_every_way_to_die_has_words() -> None:
    assert describe_exit(signal.SIGKILL) == "was killed by SIGKILL"
    assert describe_exit(REAL_TIME_SIGNAL) == f"was killed by signal {REAL_TIME_SIGNAL}"
    assert describe_exit(3 << 8) == "exited with code 3"


def test_death_by_a_real_time_signal_is_a_death_like_any_other(flow: Path) -> None:
    with instance(flow) as server:
        server.ready()
        leader, victim = server.leader(), server.workers()[0]
        os.kill(victim, REAL_TIME_SIGNAL)
        eventually(lambda: len(set(server.workers()) - {victim}) == 2, within_s=5, why="the worker should be replaced")
        assert server.leader() == leader
        os.kill(leader, REAL_TIME_SIGNAL)
        assert server.ready(generation=2).ask()[0] == 200
        assert server.stop() == 0


# -- surroundings


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_it_serves_with_standard_streams_closed(flow: Path, closed: str) -> None:
    """What is opened next would take their numbers, and get the log."""
    with instance(flow, f"--port={free_port()}", wrapper=["sh", "-c", f'exec "$@" {closed}', "sh"]) as server:
        workers = eventually(lambda: serving_workers(server), within_s=10, why="it should serve")
        for pid in [server.master, *children(server.master), *workers]:
            targets = [os.readlink(f"/proc/{pid}/fd/{descriptor}") for descriptor in range(3)]
            assert all(target.startswith("/") for target in targets), targets
        assert server.stop() == 0


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def serving_workers(server: Instance) -> list[int]:
    """The workers, once they listen; without a look into the log."""
    found = [worker for leader in children(server.master) for worker in children(leader)]
    listening = [line.split()[9] for line in Path("/proc/net/tcp").read_text().splitlines()[1:] if " 0A " in line]
    sockets = {os.readlink(f"/proc/{server.master}/fd/{name}") for name in os.listdir(f"/proc/{server.master}/fd")}
    return found if len(found) == 2 and any(f"socket:[{inode}]" in sockets for inode in listening) else []


def test_a_log_that_takes_nothing_does_not_keep_it_from_forking(tmp_path: Path) -> None:
    """What user code has printed lies in a buffer that cannot be flushed."""
    flow = write_flow(tmp_path / "flow", "print('x' * 1000)\n")
    full = 'exec "$@" > /dev/full'
    with instance(
        flow, f"--port={free_port()}", wrapper=["sh", "-c", f"unset PYTHONUNBUFFERED; {full}", "sh"]
    ) as server:
        eventually(lambda: serving_workers(server), within_s=10, why="it should serve")
        assert server.stop() == 0


def test_a_log_that_nobody_reads_holds_neither_requests_nor_the_stop_up(flow: Path) -> None:
    """Its pipe is full from the beginning."""
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    with contextlib.suppress(BlockingIOError):
        while True:
            os.write(writer, b"x" * 4096)
    os.set_blocking(writer, True)
    port = free_port()
    to_pipe = f'exec "$@" > /proc/{os.getpid()}/fd/{writer} 2>&1'
    with instance(flow, f"--port={port}", "--access-log", wrapper=["sh", "-c", to_pipe, "sh"]) as server:
        eventually(lambda: serving_workers(server), within_s=15, why="it should serve")
        for _ in range(20):
            with socket.create_connection(("127.0.0.1", port), 10) as client:
                client.sendall(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n")
                assert client.recv(100).startswith(b"HTTP/1.1 200")
        assert server.stop() == 0
    os.close(reader)
    os.close(writer)


def test_a_folder_that_is_gone_is_no_reason_not_to_reload(flow: Path, tmp_path: Path) -> None:
    here = tmp_path / "here"
    here.mkdir()
    with instance(flow, wrapper=["sh", "-c", f'cd {here} && exec "$@"', "sh"]) as server:
        server.ready()
        here.rmdir()
        server.signal(signal.SIGHUP)
        assert server.ready(generation=2).ask()[0] == 200
        assert server.stop() == 0


@pytest.mark.skipif(os.geteuid() != 0, reason="makes a device")
@pytest.mark.parametrize("link", [False, True])
def test_the_pidfile_replaces_no_device(tmp_path: Path, link: bool) -> None:
    """``--pidfile /dev/null``, as root."""
    null = tmp_path / "null"
    os.mknod(null, stat.S_IFCHR | 0o600, os.makedev(1, 3))
    path = tmp_path / "link" if link else null
    if link:
        path.symlink_to(null)
    with pytest.raises(ConfigError, match="is no regular file"), pidfile(str(path), "flag"):
        pass
    assert stat.S_ISCHR(null.stat().st_mode)


OWN_MOUNTS = ("unshare", "--mount")


@pytest.mark.skipif(
    subprocess.run([*OWN_MOUNTS, "true"], capture_output=True, check=False).returncode != 0,
    reason="mounts a small disk",
)
def test_a_full_disk_for_the_pidfile_is_told(flow: Path, tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    fill = f'mount -t tmpfs -o size=4k none {disk} && head -c 4096 /dev/zero > {disk}/filler && exec "$@"'
    pid = disk / "pid"
    with instance(flow, f"--pidfile={pid}", wrapper=[*OWN_MOUNTS, "sh", "-c", fill, "sh"]) as server:
        assert server.exit_code() == 2
        assert f"pidfile = '{pid}' (from flag --pidfile): cannot be written: No space left on device" in server.log()


@pytest.mark.skipif(
    subprocess.run([*OWN_MOUNTS, "true"], capture_output=True, check=False).returncode != 0, reason="unmounts /proc"
)
def test_it_serves_without_proc(flow: Path) -> None:
    """As in a jail. There is no control socket, and memory is not told."""
    with instance(flow, wrapper=[*OWN_MOUNTS, "sh", "-c", 'umount -l /proc && exec "$@"', "sh"]) as server:
        assert server.ready().ask()[0] == 200
        server.signal(signal.SIGHUP)
        assert server.ready(generation=2).ask()[0] == 200
        assert server.stop() == 0
        assert "Traceback" not in server.log()


def test_too_few_open_files_are_told_before_anything_is_imported(flow: Path) -> None:
    with instance(flow, wrapper=["sh", "-c", 'ulimit -n 64; exec "$@"', "sh"]) as server:
        assert server.exit_code() == 2
        assert re.search(r"workers = 2 \(from flag --workers\): need \d+ open files; 64 are allowed", server.log())
        assert "Traceback" not in server.log()
        assert not imported_by(flow)


def test_the_open_files_that_are_asked_for_are_enough(flow: Path) -> None:
    """As many workers as make their inboxes weigh: all of them serve, and a reload finds its descriptors, too."""
    needed, workers = descriptors_needed(12), "--workers=12"
    with instance(flow, workers, wrapper=["sh", "-c", f'ulimit -n {needed}; exec "$@"', "sh"]) as server:
        for generation in (1, 2):
            ready = f"generation {generation}: 12 workers ready"
            eventually(lambda ready=ready: ready in server.log(), within_s=20, why="all should get ready")
            assert server.ask()[0] == 200
            server.signal(signal.SIGHUP)
        assert server.stop() == 0
        assert "Too many open files" not in server.log()


def test_connections_and_requests_of_other_workers_leave_descriptors_for_the_flow(tmp_path: Path) -> None:
    """Ten workers weigh much by themselves, and each asks the others to run its requests."""
    flow = write_flow(tmp_path / "flow")
    (flow / "act.py").write_text(OPENS_FILES)
    wrapper = ["sh", "-c", 'ulimit -n 200; exec "$@"', "sh"]
    with instance(flow, "--workers=10", "--max-concurrent-requests=1000", wrapper=wrapper) as server:
        ready = "generation 1: 10 workers ready"
        eventually(lambda: ready in server.log(), within_s=20, why="all should get ready")
        answers = asyncio.run(asyncio.wait_for(ask_all_at_once(server.port, 700), 60))
        assert set(answers) == {b"HTTP/1.1 200 OK\r\n"}, server.log()
        assert "Too many open files" not in server.log()


def test_a_worker_whose_flow_has_used_up_its_descriptors_is_replaced_without_loss(tmp_path: Path) -> None:
    """That is when replacing it helps: its connections must move without a descriptor more."""
    flow = write_flow(tmp_path / "flow")
    (flow / "act.py").write_text(LEAKS_FILES)
    with (
        instance(flow, wrapper=["sh", "-c", 'ulimit -n 300; exec "$@"', "sh"]) as server,
        contextlib.ExitStack() as open_ones,
    ):
        server.ready()
        port = server.port
        clients = [http.client.HTTPConnection("127.0.0.1", port, timeout=20) for _ in range(10)]
        for client in clients:
            open_ones.enter_context(contextlib.closing(client))
            client.connect()
        leaked = [score(client, "leak") for client in clients]
        assert {status for status, _ in leaked} == {200}
        assert len({pid for _, pid in leaked}) == 2, "both workers should have leaked"
        server.signal(signal.SIGHUP)
        server.ready(generation=2)
        eventually(lambda: not alive_any(leaked), within_s=20, why="they should leave")
        answers = [score(client, "") for client in clients]
        assert {status for status, _ in answers} == {200}
        assert not {pid for _, pid in answers} & {pid for _, pid in leaked}
        assert "Too many open files" not in server.log()


def test_new_connections_keep_away_from_a_worker_without_descriptors(tmp_path: Path) -> None:
    """It has the fewest connections, for it loses what it gets: it would get them all."""
    flow = write_flow(tmp_path / "flow")
    (flow / "act.py").write_text(LEAKS_FILES)
    with instance(flow, wrapper=["sh", "-c", 'ulimit -n 300; exec "$@"', "sh"]) as server:
        server.ready()
        status, leaking = server.ask("leak")
        assert status == 200

        def served_elsewhere() -> bool:
            return [server.ask("")[1] != leaking for _ in range(10)] == [True] * 10

        eventually(served_elsewhere, within_s=10, why="the other worker should have every new connection")


def score(client: http.client.HTTPConnection, what: str) -> tuple[int, str]:
    """On this very connection: without a new one, should it be gone."""
    assert client.sock is not None, "the connection was closed"
    client.request("POST", "/score", json.dumps({"what": what}))
    response = client.getresponse()
    return response.status, str(json.load(response)["pid"])


def alive_any(answers: list[tuple[int, str]]) -> bool:
    return any(alive(int(pid)) for _, pid in answers)


async def ask_all_at_once(port: int, clients: int) -> list[bytes]:
    """The first line that each of them reads, all of them connected before one asks."""
    body = b'{"what": ""}'
    request = b"POST /score HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(body) + body
    connections = [await asyncio.open_connection("127.0.0.1", port) for _ in range(clients)]

    async def ask(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
        writer.write(request)
        line = await reader.readline()
        writer.close()
        return line

    return await asyncio.gather(*(ask(*connection) for connection in connections))


# -- user code that spoils its process on import


SPOILERS = {
    "closes its standard streams": "for number in range(3): os.close(number)\n",
    "redirects its standard output": "os.dup2(os.open(os.devnull, os.O_WRONLY), 1)\n",
    "closes sys.stdout": "sys.stdout.close()\n",
    "has no sys.stdout": "sys.stdout = sys.stderr = None\n",
    "has a sys.stdout of its own": "class Pipe:\n    pass\nsys.stdout = Pipe()\n",
    "configures logging": "import logging.config\nlogging.config.dictConfig({'version': 1})\n",
    "disables logging": "import logging\nlogging.disable(logging.CRITICAL)\n",
}


@pytest.mark.parametrize("name", SPOILERS)
def test_what_user_code_does_to_its_process(name: str, tmp_path: Path) -> None:
    """All is served, logged and forked as before."""
    flow = write_flow(tmp_path / "flow", SPOILERS[name])
    with instance(flow) as server:
        server.ready()
        victim = server.workers()[0]
        os.kill(victim, signal.SIGKILL)
        eventually(lambda: f"{victim} (live): was killed" in server.log(), within_s=5, why="the leader should tell it")
        eventually(lambda: len(set(server.workers()) - {victim}) == 2, within_s=5, why="the worker should be replaced")
        assert server.ask()[0] == 200
        assert server.stop() == 0


@pytest.mark.parametrize("flags", [(), ("--no-preload",)])
def test_code_that_closes_what_it_has_not_opened_is_told(flags: tuple[str, ...], tmp_path: Path) -> None:
    """As daemons do. The tree hangs on those descriptors."""
    with instance(write_flow(tmp_path / "flow", "os.closerange(3, 1000)\n"), *flags) as server:
        assert server.exit_code() != 0
        assert "the flow's code closed descriptors that it had not opened" in server.log()
        assert "Traceback" not in server.log()


@pytest.mark.parametrize(
    ("raises", "told"),
    [
        ("raise ValueError('\\udcff')\n", "ValueError: "),
        ("class Mute(BaseException):\n    def __str__(self): raise Mute\nraise Mute\n", "Mute: <no text"),
    ],
)
def test_an_import_error_that_cannot_be_told_as_it_is(raises: str, told: str, tmp_path: Path) -> None:
    flow = write_flow(tmp_path / "flow", raises)
    with instance(flow) as server:
        assert server.exit_code() == 3
        assert told in server.log()
        assert "bug" not in server.log()
