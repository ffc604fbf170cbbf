"""What is open to everybody, on real servers: more connections than sense, slow clients over TLS, a full instance."""

from __future__ import annotations

import contextlib
import json
import os
import resource
import select
import signal
import socket
import ssl
import tempfile
import time
import warnings
from pathlib import Path

import pytest
import trustme

from eventually import eventually
from instance import Instance, instance, wait_until_running, write_flow
from load import REQUEST, Client

HASTY = """
import functools
from pfserve.worker import worker
worker.Limits = functools.partial(worker.Limits, head_s=0.5, body_first_byte_s=0.5, keep_alive_s=1.0)
"""
LARGE = """
from promptflow.core import tool

@tool
def act(what: str) -> str:
    return "x" * int(what or 0)
"""
SLOW_BYTES = 4_000_000


@pytest.fixture
def flow(tmp_path: Path) -> Path:
    return write_flow(tmp_path / "flow")


@pytest.fixture
def context(tmp_path: Path) -> ssl.SSLContext:
    """The client's side; the server's files lie in the same folder."""
    authority = trustme.CA()
    issued = authority.issue_cert("127.0.0.1")
    issued.cert_chain_pems[0].write_to_path(tmp_path / "cert.pem")
    issued.private_key_pem.write_to_path(tmp_path / "key.pem")
    made = ssl.create_default_context()
    authority.configure_trust(made)
    return made


def tls(folder: Path) -> tuple[str, str]:
    return f"--tls-cert={folder / 'cert.pem'}", f"--tls-key={folder / 'key.pem'}"


def score(what: str) -> bytes:
    body = json.dumps({"what": what}).encode()
    return b"POST /score HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(body) + body


ROUTES = ("/health", "/livez", "/readyz", "/version", "/swagger.json", "/metrics", "/status", "/")


def test_no_other_route_passes_the_gate(flow: Path) -> None:
    """The instance is full, and stays exactly so."""
    with instance(flow, "--max-concurrent-requests=1", "--expose-admin") as server:
        server.ready().asking("wait:60")
        wait_until_running(flow, "wait:60")
        assert server.ask()[0] == 429
        statuses = {path: server.get(path) for path in ROUTES for _ in range(4)}  # both workers
        assert set(statuses.values()) == {200}, statuses
        assert server.ask()[0] == 429, "they have freed no place"
        assert status(server)["inside"] == 1, "and taken none"


def test_limits_of_time_hold_over_tls(tmp_path: Path, context: ssl.SSLContext) -> None:
    """A head, a body that never comes, one that stops half-way, and nothing at all; each is given up."""
    flow = write_flow(tmp_path / "flow", HASTY)
    with instance(flow, *tls(tmp_path)) as server:
        port = server.ready().port
        head = b"POST /score HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n"
        told = {
            b"The head of the request was not received within 0.5 s": head,
            b"no byte of it came within 0.5 s": head + b"\r\n",
            b"it came slower than": head + b"\r\n{",
        }
        clients = {reason: Client(port, context) for reason in told}
        silent = Client(port, context)
        for reason, sent in told.items():
            clients[reason].send(sent)
        for reason, client in clients.items():
            assert client.answer() == 408
            assert reason in client.body
            assert client.socket.recv(1) == b"", "and closed"
            client.close()
        assert silent.socket.recv(1) == b""
        silent.close()
        assert server.stop() == 0


def test_slow_readers_over_tls(tmp_path: Path, context: ssl.SSLContext) -> None:
    """Who takes a large answer slowly gets all of it; who takes nothing is cut off, and holds nobody up."""
    flow = write_flow(tmp_path / "flow", HASTY)
    (flow / "act.py").write_text(LARGE + HASTY)
    with instance(flow, *tls(tmp_path), "--workers=1") as server:
        eventually(lambda: "1 workers ready" in server.log(), within_s=20, why="it should get ready")
        slow, never = Client(server.port, context), Client(server.port, context)
        for client, size in ((slow, SLOW_BYTES), (never, 4 * SLOW_BYTES)):
            client.send(score(str(size)))
        got = 0
        began_s = time.monotonic()
        while got < SLOW_BYTES:  # for longer than a connection may be idle
            piece = slow.socket.recv(16384)
            assert piece, f"cut off after {got} bytes"
            got += len(piece)
            time.sleep(2.5 * 16384 / SLOW_BYTES)  # that it is slow is the point
        assert time.monotonic() - began_s > 1.0
        quick = Client(server.port, context)
        quick.send(score("3"))
        assert quick.answer() == 200
        quick.close()
        received = 0
        with contextlib.suppress(ConnectionResetError, ssl.SSLError):
            while piece := never.socket.recv(65536):  # what the kernel holds for it
                received += len(piece)
        assert received < 4 * SLOW_BYTES, "it has been waited for"
        slow.close()
        never.close()
        assert server.stop() == 0


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


CHUNKED = b"POST /score HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"


def test_chunked_bodies_arrive_while_connections_move(flow: Path) -> None:
    """Over two reloads: half a body, one behind another, and half a chunk behind a whole request."""
    with instance(flow) as server:
        clients = [Client(server.ready().port) for _ in range(6)]
        whole = CHUNKED + chunk(b'{"what"') + chunk(b': ""}') + b"0\r\n\r\n"
        for generation in range(2, 4):
            clients[0].send(CHUNKED + chunk(b'{"what"'))
            clients[1].send(CHUNKED[:30])
            clients[2].send(whole + CHUNKED + b'7\r\n{"wh')
            assert clients[2].answer() == 200
            clients[3].send(whole + whole)
            clients[4].send(CHUNKED + chunk(b'{"what": ""}') + b"0\r\n")
            server.signal(signal.SIGHUP)
            server.ready(generation)
            clients[0].send(chunk(b': ""}') + b"0\r\n\r\n")
            clients[1].send(CHUNKED[30:] + chunk(b'{"what": ""}') + b"0\r\n\r\n")
            clients[2].send(b'at"\r\n' + chunk(b': ""}') + b"0\r\n\r\n")
            clients[4].send(b"\r\n")
            for number in (0, 1, 2, 3, 3, 4):
                assert clients[number].answer() == 200, number
            for number in (3, 5):
                clients[number].send(whole)
                assert clients[number].answer() == 200
            old = f"generation {generation - 1}: ended"
            eventually(lambda old=old: old in server.log(), within_s=20, why="no connection should stay behind")
        for client in clients:
            client.close()
        assert server.stop() == 0


def test_more_connections_than_a_worker_may_have_wait_outside(flow: Path) -> None:
    with instance(flow, "--max-connections=5") as server, contextlib.ExitStack() as stack:
        inside = [Client(server.ready().port) for _ in range(10)]
        for client in inside:
            stack.callback(client.close)
            client.send(REQUEST)
            assert client.answer() == 200
        waiting = Client(server.port)
        stack.callback(waiting.close)
        waiting.send(REQUEST)
        for client in inside:  # the others are served meanwhile
            client.send(REQUEST)
            assert client.answer() == 200
        assert not select.select([waiting.socket], [], [], 0.2)[0], "it should wait in the backlog"
        inside[0].close()
        assert waiting.answer() == 200


SILENT = 10_000


@pytest.mark.skipif(
    resource.getrlimit(resource.RLIMIT_NOFILE)[1] < 2 * SILENT, reason="needs the right to open so many files"
)
def test_ten_thousand_connections_that_say_nothing(flow: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    try:
        with instance(flow, "--expose-admin") as server, contextlib.ExitStack() as stack:
            server.ready()
            for _ in range(SILENT):
                silent = socket.create_connection(("127.0.0.1", server.port), timeout=10)
                stack.callback(silent.close)
            assert [server.ask()[0] for _ in range(20)] == [200] * 20
            assert server.get("/health") == 200
            workers = status(server)["workers"]
            assert [worker["connections"] // 100 for worker in workers] == [SILENT // 200] * 2
            server.signal(signal.SIGTERM)
            assert server.exit_code() == 0, "they do not hold up the end"
            assert "Too many open files" not in server.log()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def status(server: Instance) -> dict:
    client = Client(server.port)
    with contextlib.closing(client):
        client.send(b"GET /status HTTP/1.1\r\nHost: x\r\n\r\n")
        assert client.answer() == 200
        return json.loads(client.body)


NOBODY = 65534


def asked_as(group: int, path: Path) -> str:
    """What somebody else of that group is told."""
    reader, writer = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of a fork beside pytest's own threads
        pid = os.fork()
    if not pid:
        try:
            os.setgroups([])
            os.setgid(group)
            os.setuid(NOBODY)
            client = Client(str(path))
            client.send(b"GET /version HTTP/1.1\r\nHost: x\r\n\r\n")
            os.write(writer, b"%d" % client.answer())
        except BaseException as problem:
            os.write(writer, type(problem).__name__.encode())
        finally:
            os._exit(0)
    os.close(writer)
    os.waitpid(pid, 0)
    with open(reader) as told:
        return told.read()


@pytest.mark.skipif(os.geteuid() != 0, reason="becomes other users")
def test_a_unix_socket_is_for_its_user_and_its_group(flow: Path) -> None:
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:  # that of the test is closed to other users
        Path(folder).chmod(0o755)
        path = Path(folder) / "sock"
        with instance(flow, f"--uds={path}", port=None) as server:
            eventually(lambda: "2 workers ready" in server.log(), within_s=20, why="it should get ready")
            assert asked_as(os.getegid(), path) == "200"
            assert asked_as(NOBODY, path) == "PermissionError"
            assert server.stop() == 0


def test_what_precedes_garbage_is_answered_and_nobody_else_is_hurt(flow: Path) -> None:
    with instance(flow) as server:
        other = Client(server.ready().port)
        workers = server.workers()
        for garbage in (b"\x16\x03\x01\x02\x00", b"GET\r\n\r\n", b"POST /score HTTP/9.9\r\n\r\n", b"\0" * 1000):
            client = Client(server.port)
            client.send(REQUEST * 2 + garbage + b"\r\n\r\n" + REQUEST)
            assert [client.answer() for _ in range(3)] == [200, 200, 400]
            with contextlib.suppress(ConnectionResetError):
                assert client.socket.recv(1) == b"", "nothing behind garbage is a request"
            client.close()
            other.send(REQUEST)
            assert other.answer() == 200
        other.close()
        assert server.workers() == workers
        assert server.stop() == 0


def test_of_two_masters_on_one_port_the_second_is_told_and_the_first_serves_on(flow: Path, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    with instance(flow) as first:
        port = first.ready().port
        with instance(write_flow(tmp_path / "other" / "flow"), f"--port={port}") as second:
            assert second.exit_code() == 5
            assert f"cannot listen on 127.0.0.1:{port}: Address already in use" in second.log()
        assert [first.ask()[0] for _ in range(5)] == [200] * 5
        assert first.stop() == 0
