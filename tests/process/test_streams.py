"""Streams of a real server: slow clients beside others, clients that leave, what a generator prints."""

from __future__ import annotations

import contextlib
import http.client
import json
import re
import socket
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from eventually import eventually
from serving import Server, serving, write_flow

TOOL = """\
import time
from pathlib import Path
from promptflow.core import tool

HERE = Path(__file__).parent

def items(count, failure=""):
    print("begins")
    given = 0
    try:
        for given in range(count):
            yield "x" * 1000
        if failure:
            raise ValueError(failure)
    finally:
        (HERE / "ending").write_text(str(given))
        (HERE / "ending").rename(HERE / "ended")

@tool
def work(text: str):
    kind, _, count = text.partition(":")
    if kind == "wait":
        time.sleep(float(count))
    if kind == "slow":
        return (time.sleep(0.05) or "x" for _ in range(int(count)))
    if kind == "items":
        return items(int(count))
    if kind == "fails":
        return items(int(count), "boom")
    return text
"""
ENDLESS = 10**9


@pytest.fixture(scope="module")
def flow(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_flow(tmp_path_factory.mktemp("flow"), TOOL)


@pytest.fixture(scope="module")
def server(flow: Path) -> Iterator[Server]:
    options = ("--workers=1", "--threads=1", "--max-concurrent-requests=20", "--port=0")
    with serving(flow, *options, environment={"PF_LINE_TIMEOUT_SEC": "2"}) as server:
        yield server


def streaming(server: Server, text: str) -> tuple[http.client.HTTPConnection, http.client.HTTPResponse]:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
    connection.request("POST", "/score", json.dumps({"text": text}), {"Accept": "text/event-stream"})
    return connection, connection.getresponse()


def test_slow_clients_of_blocking_generators_keep_no_thread_from_others(server: Server, flow: Path) -> None:
    """More streams than the thread lane has threads, none of them read to its end."""
    slow = [streaming(server, f"items:{ENDLESS}") for _ in range(5)]
    for connection, response in slow:
        assert response.status == 200
        assert response.readline() == b'data: {"answer": "' + b"x" * 1000 + b'"}\n'
        assert connection.sock is not None
    for _ in range(3):
        assert server.score({"text": "hello"}).json == {"answer": "hello"}
    assert server.score({"text": "items:3"}).json == {"answer": "x" * 3000}
    (flow / "ended").unlink()  # of the one that was merged
    for connection, response in slow:
        response.close()
        connection.close()
    eventually((flow / "ended").exists, within_s=10, why="the generator of a client that left goes on")
    assert int((flow / "ended").read_text()) < 100_000, "a client that does not read stops its generator"
    assert server.score({"text": "hello"}).json == {"answer": "hello"}


def test_a_failure_in_the_middle_is_an_incomplete_answer(server: Server) -> None:
    connection, response = streaming(server, "fails:2")
    assert response.status == 200
    with contextlib.closing(connection), pytest.raises(http.client.IncompleteRead) as incomplete:
        response.read()
    response.close()
    assert incomplete.value.partial.count(b"data: ") == 2
    eventually(lambda: "its stream was cut off" in server.log, within_s=5, why="the log does not say so")
    assert "Execution failure in 'work': (ValueError) boom" in server.log


def test_a_failure_of_a_merged_generator_is_its_real_error(server: Server) -> None:
    answer = server.score({"text": "fails:2"})
    assert (answer.status, answer.error) == (400, ("UserError", "Execution failure in 'work': (ValueError) boom"))


def test_what_a_generator_prints_is_in_the_log(server: Server) -> None:
    assert server.score({"text": "items:1"}).status == 200
    line = "[execution.flow][INFO] - [work in line None (index starts from 0)] stdout> begins\n"
    eventually(lambda: line in server.log, within_s=5, why="the log has no such line")


def test_the_line_timeout(server: Server) -> None:
    answer = server.score({"text": "wait:2.5"})
    assert answer.error == ("UserError", "Line None execution timeout for exceeding 2 seconds")
    assert answer.status == 400


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("tells", [False, True])
def test_streams_that_are_cut_are_counted_apart(tmp_path: Path, workers: int, tells: bool) -> None:
    """By their failure, by the deadline, by their client: what is counted as success was received whole."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        admin_port = probe.getsockname()[1]
    flow = write_flow(tmp_path / "flow", TOOL)
    options = [f"--workers={workers}", "--threads=1", "--request-timeout-ms=2000", f"--admin-port={admin_port}"]
    with serving(flow, *options, *(["--stream-errors"] if tells else [])) as server:
        for text in ("items:3", "fails:2", "fails:2", f"slow:{ENDLESS}"):
            connection, response = streaming(server, text)
            with contextlib.closing(connection):
                ends_badly = text != "items:3"
                with pytest.raises(http.client.IncompleteRead) if ends_badly else contextlib.nullcontext() as caught:
                    response.read()
            if caught is not None:
                assert caught.value.partial.count(b"event: error\ndata: {") == tells
        connection, response = streaming(server, f"items:{ENDLESS}")
        response.readline()
        response.close()
        connection.close()
        assert server.score({"text": "fails:0"}).status == 400

        def counts() -> dict[str, int]:
            with urllib.request.urlopen(f"http://127.0.0.1:{admin_port}/metrics", timeout=10) as page:
                found = re.findall(
                    r'^pfserve_requests_total\{route="score",class="(\w+)"\} (\d+)', page.read().decode(), re.M
                )
            return {kind: int(count) for kind, count in found}

        expected = {"gone": 1, "cut": 3, "2xx": 1, "4xx": 1, "5xx": 0}
        eventually(lambda: counts() == expected, within_s=10, why=f"the metric says otherwise: {counts()}")
        with urllib.request.urlopen(f"http://127.0.0.1:{admin_port}/status", timeout=10) as page:
            status = json.loads(page.read())
        assert (status["served"], status["failed"]) == (1, 4)
        assert "its stream was cut off: The request was not finished within 2 s" in server.log


KILLED_BEFORE_IT_IS_COUNTED = """
import os, signal
from pfserve.web import Service

def die(service, exchange):
    os.kill(os.getpid(), signal.SIGKILL)

Service.ended = die
"""


def test_nobody_has_the_whole_of_a_stream_that_is_not_counted(tmp_path: Path) -> None:
    flow = write_flow(tmp_path / "flow", TOOL + KILLED_BEFORE_IT_IS_COUNTED)
    with serving(flow, "--workers=1") as server:
        connection, response = streaming(server, "items:3")
        with contextlib.closing(connection), pytest.raises((http.client.IncompleteRead, ConnectionError)):
            response.read()
