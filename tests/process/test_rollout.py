"""Reloads and replacements under load: nobody loses a request, nobody is refused, and the bound holds."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import threading
import time
from collections import Counter
from pathlib import Path

import pytest

import serving
from eventually import eventually
from instance import Instance, instance, wait_until_running, write_flow
from load import REQUEST, Client, Load, pressing


@pytest.fixture
def flow(tmp_path: Path) -> Path:
    return write_flow(tmp_path / "flow")


def more_answers(load: Load, number: int) -> None:
    goal = load.total + number
    eventually(lambda: load.total >= goal, within_s=20, why=f"{number} more answers should come; seen {load.seen}")


def gone(server: Instance, pid: int) -> bool:
    return pid not in server.workers() and len(server.workers()) == 3


def ended(server: Instance, generation: int) -> bool:
    return f"generation {generation}: ended" in server.log()


def reload(server: Instance, generation: int) -> None:
    """Reload, and wait until the old generation has ended."""
    server.signal(signal.SIGHUP)
    server.ready(generation)
    eventually(lambda: ended(server, generation - 1), within_s=20, why="the old generation should end")


def test_no_request_is_lost_over_20_reloads(flow: Path) -> None:
    with instance(flow, "--max-concurrent-requests=64") as server:
        with pressing(server.ready().port) as load:
            for generation in range(2, 22):
                reload(server, generation)
                more_answers(load, 50)
        assert set(load.seen) == {200}, load.seen
        assert server.stop() == 0


BLOCKING = """\
import time
from promptflow.core import tool

@tool
def act(what: str) -> str:
    time.sleep(0.005)
    return "done"
"""


def test_no_request_is_lost_by_reloads_where_requests_wait_in_line(flow: Path) -> None:
    (flow / "act.py").write_text(BLOCKING)
    with instance(flow, "--max-concurrent-requests=64") as server:
        with pressing(server.ready().port) as load:
            for generation in range(2, 7):
                reload(server, generation)
                more_answers(load, 50)
        assert set(load.seen) == {200}, load.seen
        assert server.stop() == 0


def test_no_request_is_lost_when_workers_are_replaced(flow: Path) -> None:
    with instance(flow, "--max-concurrent-requests=64", "--workers=3") as server:
        eventually(lambda: "3 workers ready" in server.log(), within_s=20, why="it should get ready")
        with pressing(server.port) as load:
            for turn in range(3):
                before = set(server.workers())
                replaced = int(server.ask("replace")[1])
                eventually(lambda pid=replaced: gone(server, pid), within_s=20, why=f"{replaced} should be replaced")
                assert len(before & set(server.workers())) == 2, turn
                more_answers(load, 50)
        assert set(load.seen) == {200}, load.seen
        assert server.stop() == 0


def pids_of_all(clients: list[Client]) -> Counter[bytes]:
    seen: Counter[bytes] = Counter()
    for client in clients:
        client.send(REQUEST)
        assert client.answer() == 200
        seen[client.body] += 1
    return seen


def is_even(clients: list[Client], workers: int) -> bool:
    counts = pids_of_all(clients)
    return len(counts) == workers and max(counts.values()) - min(counts.values()) <= 1


def test_connections_stay_evenly_spread_over_reloads_and_deaths(flow: Path) -> None:
    with contextlib.ExitStack() as stack, instance(flow, "--workers=4", "--max-concurrent-requests=64") as server:
        eventually(lambda: "4 workers ready" in server.log(), within_s=20, why="it should get ready")
        clients = [Client(server.port) for _ in range(64)]
        for client in clients:
            stack.callback(client.close)
        for generation in range(2, 4):
            server.signal(signal.SIGHUP)
            eventually(lambda g=generation: ended(server, g - 1), within_s=30, why="the old generation should end")
            assert set(pids_of_all(clients)) == {b'{"pid":"%d"}' % pid for pid in server.workers()}
            eventually(lambda: is_even(clients, 4), within_s=10, why="64 connections should be 16 a worker")
        server.ask("replace")
        eventually(lambda: "(leaving): exited" in server.log().rpartition("asked")[2], within_s=20, why="replaced")
        eventually(lambda: is_even(clients, 4), within_s=10, why="64 connections should be 16 a worker again")
        victim = server.workers()[0]
        os.kill(victim, signal.SIGKILL)
        eventually(lambda: victim not in server.workers() and len(server.workers()) == 4, within_s=10, why="replaced")
        for number, client in enumerate(clients):
            if is_lost(client):
                client.close()
                clients[number] = Client(server.port)
                stack.callback(clients[number].close)
        eventually(lambda: is_even(clients, 4), within_s=10, why="those who come again should be spread, too")


def is_lost(client: Client) -> bool:
    try:
        client.send(REQUEST)
        return client.answer() != 200
    except OSError:
        return True


def test_a_burst_is_spread_evenly_and_stays_so_while_workers_are_recycled(flow: Path) -> None:
    flags = "--workers=4", "--max-concurrent-requests=64", "--max-requests=80"
    with contextlib.ExitStack() as stack, instance(flow, *flags) as server:
        eventually(lambda: "4 workers ready" in server.log(), within_s=20, why="it should get ready")
        clients = [Client(server.port) for _ in range(64)]
        for client in clients:
            stack.callback(client.close)
        assert is_even(clients, 4), "at once"

        def recycled() -> int:
            pids_of_all(clients)
            return server.log().count("(leaving): exited")

        eventually(lambda: recycled() >= 1, within_s=40, why="a worker should be recycled")
        eventually(lambda: is_even(clients, 4), within_s=10, why="64 connections should be 16 a worker again")


SPANS = """\
import asyncio, json, time
from promptflow.core import tool

@tool
async def work(text: str) -> str:
    began = time.monotonic()
    await asyncio.sleep(0.05)
    return json.dumps([began, time.monotonic()])
"""


def test_the_bound_holds_across_generations_and_is_reached(tmp_path: Path) -> None:
    capacity = 5
    flow = serving.write_flow(tmp_path / "flow", SPANS)
    with instance(flow, f"--max-concurrent-requests={capacity}") as server:
        spans: list[tuple[float, float]] = []
        statuses: Counter[int] = Counter()
        stop = threading.Event()

        def press() -> None:
            client = Client(server.port)
            while not stop.is_set():
                client.send(b'POST /score HTTP/1.1\r\nHost: x\r\nContent-Length: 12\r\n\r\n{"text": ""}')
                status = client.answer()
                statuses[status] += 1
                if status == 200:
                    began, finished = json.loads(json.loads(client.body)["answer"])
                    spans.append((began, finished))
                else:
                    stop.wait(0.005)
            client.close()

        server.ready()
        threads = [threading.Thread(target=press) for _ in range(12)]
        for thread in threads:
            thread.start()
        moments = []
        for generation in range(2, 7):
            server.signal(signal.SIGHUP)
            server.ready(generation)
            moments.append(time.monotonic())
            eventually(lambda g=generation: ended(server, g - 1), within_s=20, why="the old generation should end")
        stop.set()
        for thread in threads:
            thread.join(20)
    assert set(statuses) == {200, 429}, statuses
    assert most_inside(spans) == capacity
    for moment in moments:  # around each change of generations too
        assert most_inside([span for span in spans if abs(span[0] - moment) < 0.3]) == capacity


def most_inside(spans: list[tuple[float, float]]) -> int:
    """The largest number of spans that overlap."""
    inside = most = 0
    for _, change in sorted([(began, 1) for began, _ in spans] + [(ended, -1) for _, ended in spans]):
        inside += change
        most = max(most, inside)
    return most


def test_a_long_request_is_finished_by_the_old_generation(flow: Path) -> None:
    with instance(flow) as server:
        old = {str(pid) for pid in server.ready().workers()}
        request = server.asking("wait:3")
        wait_until_running(flow, "wait:3")
        server.signal(signal.SIGHUP)
        server.ready(generation=2)
        assert server.ask()[1] not in old
        assert request.result(10) == (200, request.result(0)[1])
        assert request.result(0)[1] in old
        eventually(lambda: ended(server, 1), within_s=10, why="the old generation should end once it has answered")
        assert server.stop() == 0


# -- Reloads that meet others, and that fail


def test_a_reload_asked_for_during_a_reload_is_made_afterwards(tmp_path: Path) -> None:
    flow = write_flow(tmp_path / "flow", "time.sleep(1)\n")
    with instance(flow) as server:
        server.ready().signal(signal.SIGHUP)
        eventually(lambda: "generation 2, leader" in server.log(), within_s=5, why="the reload should begin")
        for _ in range(3):
            server.signal(signal.SIGHUP)
            eventually(lambda: "another reload follows" in server.log(), within_s=5, why="the next should be noted")
        server.ready(generation=3)
        eventually(lambda: ended(server, 2), within_s=20, why="the second generation should end")
        assert server.get("/readyz") == 200
        assert "generation 4" not in server.log()
        assert server.stop() == 0


BAD_FLOWS = {
    "does not compile": ("def\n", "act.py:1"),
    "ends the process": ("import sys\nsys.exit(3)\n", "calls sys.exit on import"),
    "kills its leader": ("import os, signal\nos.kill(os.getpid(), signal.SIGKILL)\n", "was killed by SIGKILL"),
    "keeps its workers from booting": (
        "import uvloop\ndef broken(): raise OSError('no loop today')\nuvloop.new_event_loop = broken\n"
        "from promptflow.core import tool\n@tool\ndef act(what: str) -> str: return what\n",
        "no loop today",
    ),
    "hangs": ("import time\ntime.sleep(600)\n", "was not imported and compiled within 2 s"),
    "hangs in its workers": (
        "import time, uvloop\nuvloop.new_event_loop = lambda: time.sleep(600)\n"
        "from promptflow.core import tool\n@tool\ndef act(what: str) -> str: return what\n",
        "did not get ready within 2 s",
    ),
}


STOPS_ITS_LEADER = "os.register_at_fork(after_in_child=lambda: os.kill(os.getppid(), signal.SIGSTOP))\n"


@pytest.mark.parametrize("name", BAD_FLOWS)
def test_a_reload_that_fails_says_why_and_leaves_the_old_generation_serving(name: str, flow: Path) -> None:
    code, reason = BAD_FLOWS[name]
    patience = ["--boot-timeout-s=2"] if name.startswith("hangs") else []
    with instance(flow, "--max-concurrent-requests=64", *patience) as server:
        workers = server.ready().workers()
        with pressing(server.port) as load:
            (flow / "act.py").write_text(code)
            server.signal(signal.SIGHUP)
            eventually(lambda: "the one before goes on" in server.log(), within_s=20, why="the failure should be told")
            more_answers(load, 50)
        assert set(load.seen) == {200}, load.seen
        assert reason in server.log()
        assert server.workers() == workers
        write_flow(flow)
        server.signal(signal.SIGHUP)
        server.ready(generation=3)
        assert server.stop() == 0


def test_the_next_reload_works_when_the_serving_leader_dies_in_the_middle_of_one(tmp_path: Path) -> None:
    flow = write_flow(tmp_path / "flow", "time.sleep(1)\n")
    with instance(flow) as server:
        leader = server.ready().leader()
        server.signal(signal.SIGHUP)
        eventually(lambda: "generation 2, leader" in server.log(), within_s=5, why="the reload should begin")
        os.kill(leader, signal.SIGKILL)
        server.ready(generation=2)
        assert server.ask()[0] == 200
        assert server.stop() == 0


def test_a_reload_whose_leader_stands_still_fails_in_time(flow: Path) -> None:
    """It is stopped while its workers get ready: it cannot say itself that they are late."""
    with instance(flow, "--boot-timeout-s=1") as server:
        workers = server.ready().workers()
        (flow / "act.py").write_text((flow / "act.py").read_text() + STOPS_ITS_LEADER)
        server.signal(signal.SIGHUP)
        eventually(lambda: "the one before goes on" in server.log(), within_s=20, why="the failure should be told")
        assert "its workers were not ready within 1 s" in server.log()
        assert server.ask()[0] == 200 and server.workers() == workers
        assert server.stop() == 0
