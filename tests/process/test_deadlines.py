"""Deadlines and leaving clients: the answer says where the time went, and nothing runs on for nobody."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from eventually import eventually
from load import Client
from serving import Server, serving

FLOW = """\
inputs:
  what: {type: string}
outputs:
  answer: {type: string, reference: '${last.output}'}
nodes:
- {name: first, type: python, source: {type: code, path: first.py}, inputs: {what: '${inputs.what}'}}
- {name: beside, type: python, source: {type: code, path: beside.py}, inputs: {what: '${inputs.what}'}}
- name: last
  type: python
  source: {type: code, path: last.py}
  inputs: {one: '${first.output}', two: '${beside.output}', what: '${inputs.what}'}
"""
COMMON = """\
import asyncio, time
from pathlib import Path
from promptflow.core import tool
HERE = Path(__file__).parent

def note(text):
    with open(HERE / "notes", "a") as file:
        file.write(text + "\\n")

"""
FIRST = """\
@tool
async def first(what: str) -> str:
    try:
        await asyncio.sleep(30 if what in ("async", "both") else 0)
    except asyncio.CancelledError:
        note(f"first cancelled: {what}")
        raise
    return what
"""
BESIDE = """\
@tool
async def beside(what: str) -> str:
    await asyncio.sleep(30 if what == "both" else 0)
    return what
"""
LAST = """\
@tool
def last(one: str, two: str, what: str):
    note(f"last began: {what}")
    if what == "sync":
        time.sleep(2)
    return stream(what) if what.startswith("stream") else what

def stream(what):
    try:
        while True:
            yield "x"
            time.sleep(0.02)
    finally:
        note(f"closed: {what}")
"""
ASYNC_STREAM = """\
@tool
async def last(one: str, two: str, what: str):
    note(f"last began: {what}")
    return stream(what)

async def stream(what):
    try:
        while True:
            yield "x"
            await asyncio.sleep(0.02)
    finally:
        note(f"closed: {what}")
"""


def write(folder: Path, last: str = LAST) -> Path:
    folder.mkdir()
    (folder / "flow.dag.yaml").write_text(FLOW)
    for name, code in (("first", FIRST), ("beside", BESIDE), ("last", last)):
        (folder / f"{name}.py").write_text(COMMON + code)
    return folder


@pytest.fixture(scope="module")
def flow(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("deadlines") / "flow")


@pytest.fixture(scope="module")
def server(flow: Path) -> Iterator[Server]:
    with serving(flow, "--workers", "1", "--request-timeout-ms", "1000") as running:
        yield running


@pytest.mark.parametrize(
    ("what", "where"),
    [
        ("async", "it was running the node 'first'."),
        ("both", "it was running the nodes 'first', 'beside'."),
        ("sync", "it was running the node 'last'."),
    ],
)
def test_a_timeout_names_the_nodes_that_were_running(server: Server, what: str, where: str) -> None:
    answer = server.score({"what": what})
    assert answer.status == 408
    code, message = answer.error
    assert code == "RequestTimeout"
    assert message == f"The request was not finished within 1 s, the request timeout: {where}"


def test_a_timeout_within_the_body_says_so(server: Server) -> None:
    client = Client(server.port)
    client.send(b"POST /score HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{")
    assert client.answer() == 408
    assert b"its body was still being received" in client.body
    client.close()


def request(what: str, accept: str = "application/json") -> bytes:
    body = json.dumps({"what": what}).encode()
    head = f"POST /score HTTP/1.1\r\nHost: x\r\nAccept: {accept}\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


def notes(flow: Path) -> list[str]:
    path = flow / "notes"
    return path.read_text().splitlines() if path.exists() else []


@pytest.mark.parametrize("half", [False, True], ids=["closed", "half-closed"])
def test_a_client_that_leaves_cancels_what_runs_and_what_would_follow(tmp_path: Path, half: bool) -> None:
    flow = write(tmp_path / "flow")
    with serving(flow, "--workers", "1") as server:
        client = socket.create_connection(("127.0.0.1", server.port))
        client.sendall(request("async"))
        eventually(lambda: server.score({"what": "probe"}).status == 200, within_s=5, why="it should be running")
        if half:
            client.shutdown(socket.SHUT_WR)
        else:
            client.close()
        eventually(lambda: "first cancelled: async" in notes(flow), within_s=5, why="the node should be cancelled")
        client.close()
        assert server.score({"what": "after"}).status == 200
        assert not [note for note in notes(flow) if note == "last began: async"], "a step not started is never started"


CHAIN = """\
inputs:
  what: {type: string}
outputs:
  answer: {type: string, reference: '${later.output}'}
nodes:
- {name: sooner, type: python, source: {type: code, path: sooner.py}, inputs: {what: '${inputs.what}'}}
- {name: later, type: python, source: {type: code, path: later.py}, inputs: {what: '${sooner.output}'}}
"""
SOONER = """\
@tool
def sooner(what: str) -> str:
    note(f"sooner began: {what}")
    while what != "next" and not (HERE / "go").exists():
        time.sleep(0.005)
    return what
"""
ASYNC_SOONER = """\
@tool
async def sooner(what: str) -> str:
    return what
"""
LATER = """\
@tool
def later(what: str) -> str:
    note(f"later began: {what}")
    return what
"""


@pytest.mark.parametrize("leaves", [True, False], ids=["the client leaves", "the deadline passes"])
def test_a_blocking_step_that_goes_on_for_nobody_is_followed_by_no_other(tmp_path: Path, leaves: bool) -> None:
    """Its thread cannot be stopped, but what would run after it on the same thread costs nothing."""
    flow = tmp_path / "flow"
    flow.mkdir()
    (flow / "flow.dag.yaml").write_text(CHAIN)
    (flow / "sooner.py").write_text(COMMON + SOONER)
    (flow / "later.py").write_text(COMMON + LATER)
    with serving(flow, "--workers=1", "--threads=1", "--request-timeout-ms=1000", "--expose-admin") as server:
        client = Client(server.port)
        client.send(request("gone"))
        eventually(lambda: "sooner began: gone" in notes(flow), within_s=5, why="it should run")
        if leaves:
            client.close()
            gone = b'pfserve_requests_total{route="score",class="gone"} 1\n'
            eventually(lambda: gone in server.ask("GET", "/metrics").body, within_s=5, why="it should be seen to leave")
        else:
            assert client.answer() == 408
            client.close()
        (flow / "go").touch()
        eventually(lambda: server.score({"what": "next"}).status == 200, within_s=5, why="the thread should be free")
        assert [note for note in notes(flow) if note.startswith("later")] == ["later began: next"]


def test_a_blocking_step_that_overruns_keeps_its_slot_and_is_counted(tmp_path: Path) -> None:
    """Here it is no request's first step: such a flow has no line."""
    flow = tmp_path / "flow"
    flow.mkdir()
    (flow / "flow.dag.yaml").write_text(CHAIN)
    (flow / "sooner.py").write_text(COMMON + ASYNC_SOONER)
    (flow / "later.py").write_text(COMMON + SOONER.replace("sooner", "later"))

    def overdue(count: int) -> bool:
        page = server.ask("GET", "/metrics").body.decode().splitlines()
        return f'pfserve_lane_overdue{{seat="0"}} {count}' in page and f'pfserve_lane_jobs{{seat="0"}} {count}' in page

    with serving(flow, "--workers=1", "--threads=1", "--request-timeout-ms=500", "--expose-admin") as server:
        assert server.score({"what": "overruns"}).status == 408
        eventually(lambda: overdue(1), within_s=5, why="it should be counted")
        assert server.score({"what": "waits"}).status == 408
        (flow / "go").touch()
        eventually(lambda: overdue(0), within_s=5, why="it has come back")
        assert server.score({"what": "next"}).status == 200
        assert [note for note in notes(flow) if note.startswith("later")] == [
            "later began: overruns",
            "later began: next",
        ]


@pytest.mark.parametrize("accept", ["text/event-stream", "application/json"])
@pytest.mark.parametrize("last", [LAST, ASYNC_STREAM], ids=["blocking", "async"])
def test_a_client_that_leaves_its_stream_closes_the_generator(tmp_path: Path, last: str, accept: str) -> None:
    """Whether its items go out as they come or are to be joined to one answer."""
    flow = write(tmp_path / "flow", last)
    with serving(flow, "--workers", "1") as server:
        if accept == "application/json":
            client = socket.create_connection(("127.0.0.1", server.port), timeout=10)
            client.sendall(request("stream", accept))
            eventually(lambda: "last began: stream" in notes(flow), within_s=5, why="it should run")
            client.close()
            eventually(lambda: "closed: stream" in notes(flow), within_s=5, why="the generator should be closed")
            return
        with socket.create_connection(("127.0.0.1", server.port), timeout=10) as client:
            client.sendall(request("stream", "text/event-stream"))
            seen = b""
            while seen.count(b"data:") < 3:
                seen += client.recv(1000)
            assert "closed: stream" not in notes(flow)
        eventually(lambda: "closed: stream" in notes(flow), within_s=5, why="the generator should be closed")
