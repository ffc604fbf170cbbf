"""Trials against targets that lie, hang, come late or go away: each ends, in words, and within its time."""

from __future__ import annotations

import contextlib
import os
import resource
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time

import pytest
import trustme

from bench import proc
from bench.mistake import Mistake
from bench.trial import target
from bench.workload import Target
from bench_runs import CHECKOUT, DATA, Run, outcome_of, refused
from eventually import eventually
from puppet import OK, answering, puppet

ENDLESS = {
    b'"0"': (b"HTTP/1.1 200 OK\r\n", b"X: y\r\n", 0.01),
    b'"1"': (b"HTTP/1.1 200 OK\r\n\r\n", b"x" * 1000, 0.01),
    b'"2"': (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"5\r\nhello\r\n", 0.01),
    b'"3"': (b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n", b"data: " + b"x" * 1000, 0.01),
    b'"4"': (b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 2000, 0.1),
}


def endless(peer: socket.socket, request: bytes) -> bool:
    """Answers without an end, of the kind that the request's number asks for."""
    head, piece, pause_s = next(kind for number, kind in ENDLESS.items() if number in request)
    with contextlib.suppress(OSError):  # the client has had enough
        peer.sendall(head)
        while True:
            peer.sendall(piece)
            time.sleep(pause_s)
    return False


def test_answers_that_never_end_end_with_the_clients_patience(load):
    assert outcome_of(load, endless, "--timeout", "250ms") == {"timed_out": 5, "client_timeout": 5}


def test_who_is_to_come_again_later_than_it_is_patient_does_not(load):
    """Else a server could keep a trial for as long as it likes."""
    later = answering(b"HTTP/1.1 429 No\r\nContent-Length: 0\r\nRetry-After: 86400\r\n\r\n")
    assert outcome_of(load, later, "--retry-after", "1") == {"refused": 5, "429": 5}


def test_garbage_between_chunks_is_no_http(load):
    garbage = answering(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nhello\r\n")
    assert outcome_of(load, garbage) == {"connection": 5, "malformed": 5, "200": 5}


def test_https_to_a_plain_port(load):
    """It takes the handshake for a bad request."""

    def serve(listener: socket.socket) -> None:
        for _ in range(2):  # one comes to see whether anybody is there
            with contextlib.suppress(OSError), listener.accept()[0] as peer:
                peer.recv(1)
                peer.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=serve, args=(listener,), daemon=True).start()
        port = listener.getsockname()[1]
        said = refused(load, f"https://127.0.0.1:{port}", *DATA, "--users", "1")
    assert f"127.0.0.1:{port}: no TLS handshake: " in said
    assert "is it an http:// address?" in said


def test_http_to_a_port_of_tls(load):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("127.0.0.1").configure_cert(context)
    with puppet(answering(OK), context) as server:
        run = load(server.url.replace("https", "http"), *DATA, "--users", "1", "--count", "3")
        _, summary = run.finish()
    assert (summary["outcomes"]["connection"], summary["statuses"]) == (3, {})
    assert summary["doubts"][0] == "not one request succeeded"


def test_a_target_that_comes_later_is_waited_for_and_that_is_said(load):
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    run = load(f"http://127.0.0.1:{port}", *DATA, "--users", "1", "--count", "2")
    said = run.process.stderr.readline().decode()
    assert said.startswith(f"waiting for 127.0.0.1 port {port}, at most 30 s: Connection refused")
    with puppet(answering(OK), port=port):
        _, summary = run.finish()
    assert summary["outcomes"]["success"] == 2


@pytest.mark.parametrize("piece", [b"x" * 1_000_000, b"5\r\nhello\r\n"], ids=["big", "slow"])
def test_a_description_without_an_end_is_not_read_for_ever(monkeypatch, piece):
    monkeypatch.setattr(target, "ASK_WITHIN_S", 0.3)
    monkeypatch.setattr(target, "SWAGGER_LIMIT_BYTES", 1_000_000)
    is_slow = len(piece) < 100

    def act(peer, request):
        peer.sendall(b"HTTP/1.1 200 OK\r\n%s\r\n" % (b"Transfer-Encoding: chunked\r\n" if is_slow else b""))
        with contextlib.suppress(OSError):
            while True:
                peer.sendall(piece)
                time.sleep(0.01)
        return False

    with puppet(act) as server, pytest.raises(Mistake, match="failed" if is_slow else "longer than 1,000,000 bytes"):
        target.swagger(Target("127.0.0.1", server.port, "/score"), "127.0.0.1", (), verifies_tls=True)


def generators(run: Run) -> list[proc.Stat]:
    """The processes that send."""
    return [each for each in proc.tree(run.process.pid) if each.parent == run.process.pid]


def test_a_generator_out_of_file_descriptors_voids_the_trial(load):
    with puppet(answering(OK)) as server:
        run = load(server.url, *DATA, "--rate", "50", "--duration", "1500ms", "--new-connections")
        eventually(lambda: run.samples, within_s=20, why="no sample was recorded")
        [generator] = generators(run)
        resource.prlimit(generator.pid, resource.RLIMIT_NOFILE, (3, 3))
        code, summary = run.finish()
    assert (code, summary["offered"]) == (1, 75)
    assert summary["causes"]["out_of_files"] > 10
    assert any("because the generator had no file descriptors left" in void for void in summary["voids"])


def test_a_disk_that_is_full(tmp_path):
    """A real one: a file system of 64 KiB in a mount namespace of its own."""
    script = 'mount -t tmpfs -o size=64k none "$0" && exec "$@"'
    wrapped = ("unshare", "-rm", "sh", "-c", script, str(tmp_path))
    if subprocess.run((*wrapped, "true"), capture_output=True, check=False).returncode:
        pytest.skip("no mount namespaces here")
    with puppet(answering(OK)) as server:
        asked = (server.url, *DATA, "--rate", "1000", "--duration", "60s", "--out", str(tmp_path))
        argv = (*wrapped, sys.executable, "-m", "bench", "run", *asked)
        done = subprocess.run(argv, cwd=CHECKOUT, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert "\n  the record could not be written: " in done.stdout
    assert "No space left on device, after " in done.stdout
    assert "Traceback" not in done.stderr


SERVER = """
import http.server, itertools, os, signal, sys
count = itertools.count()
class Server(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        if next(count) == 20 and sys.argv[2] == "dies":
            os._exit(9)
        self.send_response(204)
        self.end_headers()
    def log_message(*_): pass
signal.signal(signal.SIGTERM, signal.SIG_IGN)
http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Server).serve_forever()
"""


@pytest.fixture
def command(tmp_path):
    """The command of a server that dies, or that does not want to. It listens at once."""
    (tmp_path / "server.py").write_text(SERVER)
    return lambda kind: f"{sys.executable} {tmp_path}/server.py {{port}} {kind}"


def test_a_server_that_dies_is_told(load, command):
    asked = ("--command", command("dies"), "--method", "GET", "--rate", "50", "--duration", "1500ms")
    _, summary = load(*asked).finish()
    assert 0 < summary["outcomes"]["success"] <= 20
    assert summary["outcomes"]["success"] + summary["outcomes"]["connection"] == 75
    assert (summary["server"]["ended"], summary["server"]["is_gone"]) == (1, True)
    assert "the server ended while it was loaded" in summary["doubts"]


def running(load, command) -> tuple[Run, list[proc.Stat]]:
    """A trial of a server that does not want to go, and everybody in it."""
    run = load("--command", command("stubborn"), "--method", "GET", "--rate", "50", "--duration", "60s")
    eventually(lambda: run.samples, within_s=20, why="no sample was recorded")
    return run, proc.tree(run.process.pid)[1:]


def test_nobody_survives_a_user_who_cannot_wait(load, command):
    run, family = running(load, command)
    assert len(family) == 2  # a generator and the server
    eventually(
        lambda: [run.process.send_signal(signal.SIGINT), time.sleep(0.2), run.process.poll()][-1] is not None,
        within_s=10,
        why="Ctrl-C, again and again, does not end it",
    )
    assert not any(map(proc.alive, family))


def test_what_was_recorded_outlives_a_run_that_is_killed(load, tmp_path):
    """And neither a generator nor the server does."""
    flow = ("--serve", str(CHECKOUT / "examples" / "async-echo"), "--workers", "1")
    run = load(*flow, *DATA, "--rate", "50", "--duration", "60s")
    eventually(lambda: run.samples, within_s=40, why="no sample was recorded")
    family = proc.tree(run.process.pid)[1:]
    os.kill(run.process.pid, signal.SIGKILL)
    run.process.wait(10)
    eventually(lambda: not any(map(proc.alive, family)), within_s=15, why="somebody of the trial still runs")
    [path] = run.out.iterdir()
    argv = (sys.executable, "-m", "bench", "report", str(path))
    done = subprocess.run(argv, cwd=CHECKOUT, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "\n  the record ends before the trial did\n" in done.stdout
    assert f"offered{len(run.samples):,}".replace(" ", "") in done.stdout.replace(" ", "")
