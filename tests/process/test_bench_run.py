"""Whole trials by the command line, against servers that behave, misbehave and break.

Nothing here asserts that a trial is not void: on a busy machine the generator may well be late, and then says so.
"""

from __future__ import annotations

import contextlib
import json
import os
import resource
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator

import pytest

from bench import proc, systems
from bench.server import Server
from bench_runs import CHECKOUT, DATA, outcome_of, refused
from eventually import eventually
from puppet import OK, Puppet, answering, puppet, reset


@contextlib.contextmanager
def load_null() -> Iterator[str]:
    """The address of a server that does nothing, fast."""
    with Server(systems.null()) as server:
        server.wait_ready(is_ready=server.takes_connections)
        yield server.address


def test_a_server_that_stalls_shows_in_the_times_from_the_intended_start(load):
    """The known answer: 100 requests/s, and for one second nobody is served. Those meant to begin within that second
    wait for its rest: 100 waits, evenly from 1 s down to 0. By the server's own time only one was slow.
    """
    stall_s, began = 1.0, threading.Event()

    def act(peer, request):
        if b'"100"' in request and not began.is_set():
            began.set()
            time.sleep(stall_s)
        peer.sendall(OK)
        return True

    with puppet(act) as server:
        run = load(server.url, *DATA, "--rate", "100", "--duration", "4s", "--connections", "1")
        _, summary = run.finish()
    assert summary["outcomes"]["success"] == 400
    over = {limit: sum(sample.latency_ns > limit * 1e9 for sample in run.samples) for limit in (0.25, 0.5, 0.75)}
    assert 73 <= over[0.25] <= 90  # 75, and as many more as a busy machine takes to catch up
    assert 49 <= over[0.5] <= 65
    assert 24 <= over[0.75] <= 40
    assert sum(sample.service_ns > 0.25e9 for sample in run.samples) == 1
    assert summary["latency"]["success"]["percentiles_s"]["90"] > 0.55  # 1 - (40 / 100) s from the real stall
    assert summary["service"]["percentiles_s"]["99"] < 0.25


@pytest.mark.parametrize(("slo", "code", "told"), [("p50<20s", 0, "kept"), ("p50<1ms", 1, "BROKEN")])
def test_a_promise_decides_the_exit_code(load, slo, code, told):
    def act(peer, request):
        time.sleep(0.01)
        peer.sendall(OK)
        return True

    with puppet(act) as server:
        run = load(server.url, *DATA, "--users", "1", "--count", "20", "--slo", slo)
        exit_code, summary = run.finish()
    assert f"{slo}: {told}, " in run.stderr.decode()
    assert exit_code == code or (summary["voids"] and exit_code == 1)


def test_more_than_a_generator_can_do_voids_the_trial(load):
    """A million a second: it is late, says so, and still reads the answers meanwhile."""
    with load_null() as url:
        code, summary = load(url, *DATA, "--rate", "1000000", "--duration", "300ms", "--connections", "50").finish()
    assert code == 1
    assert summary["voids"][0].startswith("the generator was late: 1 % of the requests began more than ")
    assert summary["outcomes"]["success"] > 1000
    assert summary["offered"] == 300_000


def test_every_request_of_the_schedule_is_sent_once_by_one_of_the_processes(load):
    with puppet(answering(OK)) as server:
        args = ("--rate", "200", "--arrivals", "poisson", "--duration", "1.5s", "--warm-up", "500ms", "--seed", "5")
        runs = [load(server.url, *DATA, *args, "--generators", str(count)) for count in (1, 3)]
        summaries = [run.finish()[1] for run in runs]
    alone, shared = (sorted((sample.number, sample.intended_ns) for sample in run.samples) for run in runs)
    assert alone == shared
    assert [number for number, _ in alone] == list(range(len(alone)))
    warm = sum(intended < 500_000_000 for _, intended in alone)
    assert {summary["warm_up"]["success"] for summary in summaries} == {warm}
    assert len(summaries[1]["generators"]) == 3
    sent = sorted(request.rpartition(b"\r\n\r\n")[2] for request in server.requests)
    assert sent == sorted(b'{"text": "%d"}' % number for number, _ in alone * 2)


ANSWERS = {
    "success": (answering(OK), {"success": 5, "200": 5}),
    "refused": (answering(b"HTTP/1.1 429 No\r\nContent-Length: 0\r\n\r\n"), {"refused": 5, "429": 5}),
    "timed out": (answering(b"HTTP/1.1 408 Late\r\nContent-Length: 0\r\n\r\n"), {"timed_out": 5, "408": 5}),
    "failed": (answering(b"HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n"), {"failed": 5, "503": 5}),
    "too short a length": (
        answering(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nok"),
        {"connection": 5, "surplus": 5, "200": 5},
    ),
    "no HTTP": (answering(b"220 mail.example ESMTP\r\n"), {"connection": 5, "malformed": 5}),
    "closed at once": (lambda peer, request: False, {"connection": 5, "closed": 5}),
    "reset": (lambda peer, request: reset(peer), {"connection": 5, "reset": 5}),
}


@pytest.mark.parametrize(("act", "counts"), ANSWERS.values(), ids=ANSWERS)
def test_what_a_server_does_is_told_apart(load, act, counts):
    assert outcome_of(load, act) == counts


def test_too_long_a_length_and_a_close_is_cut(load):
    def act(peer, request):
        peer.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nok")
        return False

    assert outcome_of(load, act) == {"connection": 5, "cut": 5, "200": 5}


@pytest.mark.parametrize("answer", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nok"], ids=["silent", "too long"])
def test_the_clients_patience_ends(load, answer):
    counts = outcome_of(load, answering(answer), "--timeout", "200ms")
    assert counts == {"timed_out": 5, "client_timeout": 5}


def test_a_server_that_closes_after_every_answer_costs_a_connection_each(load):
    closing = answering(OK.replace(b"OK\r\n", b"OK\r\nConnection: close\r\n"))
    with puppet(closing) as server:
        _, summary = load(server.url, *DATA, "--users", "1", "--count", "5").finish()
    assert summary["outcomes"]["success"] == 5
    assert server.connections == 5 + 1  # one to see whether anybody is there


def test_new_connections(load):
    with puppet(lambda peer, request: peer.sendall(OK) or False) as server:
        load(server.url, *DATA, "--users", "1", "--count", "5", "--new-connections").finish()
    assert server.connections == 5 + 1
    assert all(b"Connection: close\r\n" in request for request in server.requests)


def test_whoever_waits_gets_the_connection_in_place_of_one_that_was_given_up(load):
    """Nothing else comes that would open it: the last request of the schedule waits behind the first, which hangs."""

    def act(peer, request):
        if b'"0"' not in request:
            peer.sendall(OK)
        return True

    with puppet(act) as server:
        args = ("--rate", "1", "--count", "2", "--connections", "1", "--timeout", "1500ms")
        _, summary = load(server.url, *DATA, *args).finish()
    assert (summary["outcomes"]["timed_out"], summary["outcomes"]["success"]) == (1, 1)


def test_what_cannot_be_in_flight_is_dropped_and_said(load):
    with puppet(answering(b"")) as server:
        args = ("--rate", "100", "--count", "10", "--max-in-flight", "4", "--timeout", "1s")
        _, summary = load(server.url, *DATA, *args).finish()
    assert (summary["outcomes"]["timed_out"], summary["outcomes"]["dropped"]) == (4, 6)
    assert "6 requests (60.0%) were never sent" in summary["doubts"][0]


def test_retry_after_is_obeyed_when_asked_and_latency_counts_it(load):
    def act(peer, request):
        refused = b"HTTP/1.1 429 No\r\nContent-Length: 0\r\nRetry-After: 1\r\nretry-after-ms: 200\r\n\r\n"
        peer.sendall(OK if len(server.requests) > 2 else refused)
        return True

    with puppet(act) as server:
        run = load(server.url, *DATA, "--users", "1", "--count", "1", "--retry-after", "3")
        _, summary = run.finish()
    assert (summary["outcomes"]["refused"], summary["outcomes"]["success"], summary["retries"]) == (2, 1, 2)
    assert [sample.attempt for sample in run.samples] == [0, 1, 2]
    assert run.samples[2].latency_ns >= 2 * 200_000_000
    assert len(set(server.requests)) == 1


def test_streams_are_timed_event_by_event(load):
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
    event = b'data: {"answer": "x"}\n\n'

    def act(peer, request):
        assert b"Accept: text/event-stream\r\n" in request
        peer.sendall(head)
        for _ in range(4):
            time.sleep(0.05)
            peer.sendall(b"%x\r\n%s\r\n" % (len(event), event))
        peer.sendall(b"0\r\n\r\n")
        return True

    with puppet(act) as server:
        _, summary = load(server.url, *DATA, "--users", "2", "--count", "6", "--stream").finish()
    assert (summary["events"], summary["tokens"]) == (24, 24)
    assert (summary["first_event"]["count"], summary["gaps"]["count"]) == (6, 18)
    assert summary["first_event"]["percentiles_s"]["50"] >= 0.05
    assert summary["gaps"]["mean_s"] == pytest.approx(0.05, rel=0.5)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_leaves_a_partial_record_that_can_be_reported(load, number):
    with puppet(answering(OK)) as server:
        run = load(server.url, *DATA, "--rate", "100", "--duration", "60s")
        eventually(lambda: run.samples, within_s=20, why="no sample was recorded")
        run.process.send_signal(number)
        code, summary = run.finish(within_s=15)
    assert (code, summary["complete"], summary["reason"]) == (1, False, "it was interrupted")
    assert summary["offered"] == len(run.samples) > 0
    [path] = run.out.iterdir()
    argv = (sys.executable, "-m", "bench", "report", str(path), "--format", "json")
    again = subprocess.run(argv, cwd=CHECKOUT, stdout=subprocess.PIPE, check=False)
    assert (again.returncode, json.loads(again.stdout)) == (1, summary)


def test_a_killed_generator_voids_the_trial_and_the_rest_is_kept(load):
    with puppet(answering(OK)) as server:
        run = load(server.url, *DATA, "--rate", "100", "--duration", "3s", "--generators", "2")
        eventually(lambda: run.samples, within_s=20, why="no sample was recorded")
        generators = [member for member in proc.tree(run.process.pid) if member.parent == run.process.pid]
        os.kill(generators[0].pid, signal.SIGKILL)
        code, summary = run.finish()
    assert code == 1
    assert (summary["complete"], len(generators)) == (False, 2)
    assert "died (killed by signal 9)" in summary["voids"][0]
    assert summary["offered"] >= 150  # the other's half is whole


def test_a_full_disk_ends_the_trial_with_a_sentence_and_keeps_what_it_has(load):
    """The limit on a file's size stands for the disk: the write fails in the same way."""

    def small() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))

    with puppet(answering(OK)) as server:
        code, summary = load(server.url, *DATA, "--rate", "1000", "--duration", "60s", before=small).finish()
    assert (code, summary["complete"]) == (1, False)
    assert "the record could not be written" in summary["reason"]
    assert "File too large, after" in summary["reason"]
    assert summary["offered"] > 50


def test_sigterm_while_the_server_starts_stops_it(load):
    run = load("--command", "sleep 60 {port}", *DATA, "--users", "1")
    family = eventually(lambda: (found := proc.tree(run.process.pid))[1:] and found, within_s=20, why="no server came")
    run.process.send_signal(signal.SIGTERM)
    run.process.communicate(timeout=20)
    assert run.process.returncode == 1
    eventually(lambda: not any(map(proc.alive, family)), within_s=5, why="the server still runs")


def test_ctrl_c_while_nobody_answers_ends_the_wait(load):
    server = Puppet(answering(OK))
    server.close()
    run = load(server.url, *DATA, "--users", "1", "--ready-within", "60s")
    assert run.process.stderr.readline().startswith(b"waiting for 127.0.0.1 port ")
    run.process.send_signal(signal.SIGINT)
    _, stderr = run.process.communicate(timeout=20)
    assert (run.process.returncode, stderr.strip()) == (1, b"Aborted!")


def test_a_record_that_cannot_be_made_is_told(tmp_path):
    (tmp_path / "trials").touch()
    with puppet(answering(OK)) as server:
        argv = (sys.executable, "-m", "bench", "run", server.url, *DATA, "--users", "1", "--count", "1")
        done = subprocess.run(
            (*argv, "--out", str(tmp_path / "trials")), cwd=CHECKOUT, capture_output=True, text=True, check=False
        )
    assert done.returncode == 2
    assert done.stderr.startswith(f"Error: {tmp_path}/trials/")
    assert done.stderr.count("\n") == 1


def test_a_record_tells_no_secret(load):
    with puppet(answering(OK)) as server:
        asked = (
            f"{server.url}/score?code=hidden1",
            "--key",
            "hidden2",
            "--header",
            "X-Token: hidden3",
            "--data",
            '"hidden4"',
        )
        run = load(*asked, "--users", "1", "--count", "1")
        _, summary = run.finish()
    assert b"hidden1" in server.requests[0] and b"hidden4" in server.requests[0]
    [path] = run.out.iterdir()
    assert b"hidden" not in path.read_bytes()
    assert summary["header"]["target"] == f"{server.url}/score?code=***"
    assert summary["header"]["headers"] == ["X-Token", "Authorization"]


def test_a_server_that_is_not_ready_in_time_is_told(load):
    said = refused(load, "--command", "sleep 60 {port}", *DATA, "--users", "1", "--ready-within", "200ms")
    assert "sleep was not ready within 0.2 s" in said


def test_localhost_is_whichever_address_answers(load):
    with puppet(answering(OK)) as server:
        _, summary = load(f"http://localhost:{server.port}", *DATA, "--users", "1", "--count", "2").finish()
    assert summary["outcomes"]["success"] == 2


def test_nobody_there(load):
    server = Puppet(answering(OK))
    server.close()
    said = refused(load, server.url, *DATA, "--users", "1", "--ready-within", "200ms")
    assert f"nobody answers at 127.0.0.1 port {server.port} within 0.2 s: Connection refused" in said


def test_a_server_that_goes_away_is_no_reason_to_stop(load):
    with puppet(answering(OK)) as server:
        run = load(server.url, *DATA, "--rate", "50", "--duration", "3s", "--new-connections")
        eventually(lambda: run.samples, within_s=20, why="no sample was recorded")
        server.close()
        _, summary = run.finish()
    assert summary["offered"] == 150
    assert summary["causes"]["connect_refused"] > 0
    assert summary["complete"]


def test_a_body_is_made_from_the_description_of_the_target(load):
    schema = {"type": "object", "properties": {"text": {"type": "string"}}}
    described = {"requestBody": {"required": True, "content": {"application/json": {"schema": schema, "example": {}}}}}
    document = json.dumps({"paths": {"/score": {"post": described}}}).encode()

    def act(peer, request):
        swagger = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(document), document)
        peer.sendall(swagger if request.startswith(b"GET /swagger.json ") else OK)
        return True

    with puppet(act) as server:
        _, summary = load(server.url, "--users", "1", "--count", "2").finish()
        assert summary["outcomes"]["success"] == 2
        assert server.requests[-1].endswith(b'\r\n\r\n{"text":"hello"}')


def test_a_target_without_a_description_needs_a_payload(load):
    with puppet(answering(b"HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n")) as server:
        said = refused(load, server.url, "--users", "1")
    assert "GET /swagger.json gave 404; give bodies by --payload or --data" in said


def test_a_real_server_is_started_seen_and_stopped(load, tmp_path):
    args = ("--serve", str(CHECKOUT / "examples" / "async-echo"), "--workers", "1", "--users", "2", "--duration", "3s")
    run = load(*args, "--data", '{"text": "hello"}')
    eventually(lambda: run.samples, within_s=40, why="no sample was recorded")
    family = proc.tree(run.process.pid)
    _, summary = run.finish()
    assert summary["outcomes"]["success"] == summary["offered"] > 0
    assert summary["server"]["pss_bytes"] > 10_000_000
    assert summary["server"]["cpu_per_success_s"] > 0
    assert summary["server"]["ended"] == 0
    assert "serve" in summary["header"]["system"]
    assert summary["queue"]["count"] == summary["run"]["count"] == summary["outcomes"]["success"]
    assert summary["reply"]["mean_s"] < summary["service"]["mean_s"]
    assert len(family) >= 5  # us, a generator, the master, a leader, a worker
    assert not any(proc.alive(member) for member in family)


def test_a_server_that_does_not_start_is_told_with_its_words(load):
    command = f"{sys.executable} -c 'raise SystemExit(\"no {{port}}\")'"
    run = load("--command", command, *DATA, "--users", "1")
    _, stderr = run.process.communicate(timeout=30)
    assert run.process.returncode == 2
    assert "ended with 1:\nno " in stderr.decode()


def test_any_command_can_be_the_server(load):
    program = (
        "import http.server, sys\n"
        "class Server(http.server.BaseHTTPRequestHandler):\n"
        "    def do_GET(self): self.send_response(204); self.end_headers()\n"
        "http.server.HTTPServer(('127.0.0.1', int(sys.argv[1])), Server).serve_forever()\n"
    )
    command = f'{sys.executable} -c "{program}" {{port}}'
    _, summary = load("--command", command, "--method", "GET", "--users", "1", "--count", "3").finish()
    assert summary["outcomes"]["success"] == 3
