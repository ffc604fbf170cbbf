"""The line of the instance, seen from outside: two workers, whose clients all sit at one of them."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from eventually import eventually
from serving import Server, serving, write_flow

WAIT_S = 10.0

# The node does as it is told: "hold:NAME" stays on its thread until the file NAME.go is there. It notes its start.
# It never takes less than a hand-over: what does is kept where it arrives.
ACT = """\
import os, time
from pathlib import Path
from promptflow.core import tool

HERE = Path(__file__).parent

@tool
def work(text: str):
    verb, _, name = text.partition(":")
    if verb != "hurry":
        time.sleep(0.002)
    if name:
        with open(HERE / "started", "a") as file:
            file.write(f"{name} {os.getpid()}\\n")
    if verb == "hold":
        while not (HERE / f"{name}.go").exists():
            time.sleep(0.005)
    if verb == "stream":
        return items(name)
    return str(os.getpid())

def items(name):
    yield str(os.getpid())
    for number in range(3):
        while not (HERE / f"{name}{number}.go").exists():
            time.sleep(0.005)
        yield f"{name}{number}"
"""

ASYNC = ACT[: ACT.index("@tool")] + "@tool\nasync def work(text: str) -> str:\n    return str(os.getpid())\n"


class Client:
    """One keep-alive connection."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=WAIT_S)
        self._read = b""

    def ask(self, text: str, *headers: str) -> None:
        body = json.dumps({"text": text})
        lines = ["POST /score HTTP/1.1", "Host: test", f"Content-Length: {len(body)}", *headers]
        self.socket.sendall(("\r\n".join(lines) + "\r\n\r\n" + body).encode())

    def _until(self, mark: bytes) -> bytes:
        while mark not in self._read:
            data = self.socket.recv(65536)
            if not data:
                raise ConnectionError(f"closed after {self._read!r}")
            self._read += data
        taken, _, self._read = self._read.partition(mark)
        return taken

    def head(self) -> tuple[int, dict[str, str]]:
        first, *lines = self._until(b"\r\n\r\n").decode().split("\r\n")
        return int(first.split()[1]), {
            name.lower(): value for name, _, value in (line.partition(": ") for line in lines)
        }

    def answer(self) -> tuple[int, dict[str, str], dict]:
        status, headers = self.head()
        while len(self._read) < int(headers["content-length"]):
            self._read += self.socket.recv(65536)
        body, self._read = self._read[: int(headers["content-length"])], self._read[int(headers["content-length"]) :]
        return status, headers, json.loads(body)

    def pid(self) -> int:
        status, _, body = self.answer()
        assert status == 200, body
        return int(body["answer"])

    def chunk(self) -> bytes:
        size = int(self._until(b"\r\n"), 16)
        while len(self._read) < size + 2:
            self._read += self.socket.recv(65536)
        data, self._read = self._read[:size], self._read[size + 2 :]
        return data

    def is_answered(self) -> bool:
        self.socket.setblocking(False)
        try:
            self._read += self.socket.recv(65536)
        except BlockingIOError:
            pass
        finally:
            self.socket.settimeout(WAIT_S)
        return bool(self._read)

    def close(self) -> None:
        self.socket.close()


class Rig:
    """A server of two workers, and clients that all sit at ``origin``; the other worker is ``other``."""

    def __init__(self, flow: Path, server: Server) -> None:
        self.flow = flow
        self.server = server
        spread = [Client(server.port) for _ in range(24)]
        pids = []
        for client in spread:
            client.ask("tell")
            pids.append(client.pid())
        self.origin, self.other = sorted(set(pids), key=pids.count)[-1], sorted(set(pids), key=pids.count)[0]
        assert self.origin != self.other
        self.clients = [client for client, pid in zip(spread, pids, strict=True) if pid == self.origin]
        self.elsewhere = [client for client, pid in zip(spread, pids, strict=True) if pid != self.origin]

    def started(self) -> list[tuple[str, int]]:
        file = self.flow / "started"
        lines = file.read_text().splitlines() if file.exists() else []
        return [(name, int(pid)) for name, pid in (line.split() for line in lines)]

    def pid_of(self, name: str) -> int:
        return eventually(lambda: dict(self.started()).get(name), within_s=WAIT_S, why=f"{name} should start")

    def hold(self, name: str, client: int, *headers: str) -> Client:
        """Ask for something that ends with :meth:`go`."""
        self.clients[client].ask(f"hold:{name}", *headers)
        return self.clients[client]

    def go(self, *names: str) -> None:
        for name in names:
            (self.flow / f"{name}.go").touch()

    def take_all_slots(self) -> None:
        """Both workers hold ``a`` and ``b``, asked by the first two clients."""
        for number, name in enumerate(("a", "b")):
            self.hold(name, number)
            self.pid_of(name)
        assert {pid for _, pid in self.started()} == {self.origin, self.other}

    def await_reading(self) -> None:
        """Wait until both workers have read what was sent to them before: they answer, twice, what came after it."""
        for client in 2 * (self.clients[-1], self.elsewhere[-1]):
            client.socket.sendall(b"GET /version HTTP/1.1\r\nHost: test\r\n\r\n")
            assert client.answer()[0] == 200

    def refuses(self, client: int, name: str = "refused") -> bool:
        """Whether the instance is full for this client. Otherwise it is inside now."""
        self.hold(name, client)
        self.await_reading()
        return self.clients[client].is_answered() and self.clients[client].answer()[0] == 429


@contextlib.contextmanager
def rig(folder: Path, *options: str, tool: str = ACT, capacity: int = 20) -> Iterator[Rig]:
    flow = write_flow(folder / "flow", tool)
    with serving(flow, "--workers=2", f"--max-concurrent-requests={capacity}", *options) as server:
        line = Rig(flow, server)
        try:
            yield line
        finally:
            for client in [*line.clients, *line.elsewhere]:
                client.close()


def test_what_one_worker_accepts_runs_on_both(tmp_path: Path) -> None:
    with rig(tmp_path) as line:
        line.take_all_slots()
        line.hold("c", 2)
        line.go("b")
        assert line.pid_of("c") == line.other, "the slot that got free should have run it"
        line.go("a", "c")
        assert sorted(line.clients[number].pid() for number in range(2)) == sorted([line.origin, line.other])
        assert line.clients[2].pid() == line.other


def test_first_come_first_served_over_the_instance(tmp_path: Path) -> None:
    names = [f"n{number}" for number in range(8)]
    with rig(tmp_path) as line:
        line.take_all_slots()
        for number, name in enumerate(names):
            (line.clients if number % 3 else line.elsewhere)[2 + number].ask(f"hold:{name}")
            line.await_reading()
        running = ["a", "b"]
        for name in names:  # one slot at a time: what starts next is the one that came next
            line.go(running.pop(0))
            line.pid_of(name)
            running.append(name)
        line.go(*running)
        assert [name for name, _ in line.started()] == ["a", "b", *names]
        assert {pid for _, pid in line.started()[2:]} == {line.origin, line.other}


def test_a_client_that_leaves_the_line_takes_its_place_and_its_ticket_along(tmp_path: Path) -> None:
    with rig(tmp_path, capacity=4) as line:
        line.take_all_slots()
        line.hold("c", 2)
        leaving = line.hold("gone", 3)
        line.await_reading()
        assert line.refuses(4), "a, b, c and gone are inside"
        leaving.close()
        eventually(lambda: not line.refuses(4, "d"), within_s=WAIT_S, why="the ticket should come back")
        line.go("a", "b", "c", "d")
        eventually(lambda: len(line.started()) == 4, within_s=WAIT_S, why="c and d should start")
        assert sorted(name for name, _ in line.started()) == ["a", "b", "c", "d"]


def test_a_stream_comes_through_another_worker(tmp_path: Path) -> None:
    with rig(tmp_path) as line:
        line.hold("a", 0)
        assert line.pid_of("a") == line.origin
        client = line.clients[1]
        client.ask("stream:s", "Accept: text/event-stream")
        status, headers = client.head()
        assert (status, headers["content-type"]) == (200, "text/event-stream; charset=utf-8")
        assert client.chunk() == f'data: {{"answer": "{line.other}"}}\n\n'.encode()
        for number in range(3):
            line.go(f"s{number}")
            assert client.chunk() == f'data: {{"answer": "s{number}"}}\n\n'.encode()
        assert client.chunk() == b""
        client.ask("tell")
        line.go("a")
        assert client.pid() in (line.origin, line.other), "the connection is kept"


def test_a_stream_waits_in_the_line_like_any_other(tmp_path: Path) -> None:
    with rig(tmp_path) as line:
        line.take_all_slots()
        client = line.clients[2]
        client.ask("stream:s", "Accept: text/event-stream")
        line.await_reading()
        line.hold("later", 3)
        line.await_reading()
        assert not client.is_answered()
        line.go("b")
        assert client.head()[0] == 200
        assert client.chunk() == f'data: {{"answer": "{line.other}"}}\n\n'.encode()
        line.go("a", "later", "s0", "s1", "s2")
        rest = b"".join(iter(client.chunk, b""))
        assert rest == b"".join(b'data: {"answer": "s%d"}\n\n' % number for number in range(3))
        line.pid_of("later")
        assert [name for name, _ in line.started()] == ["a", "b", "s", "later"]


CHAINS = """\
inputs:
  text: {type: string}
outputs:
  answer: {type: string, reference: '${parse.output}'}
nodes:
- {name: fetch, type: python, source: {type: code, path: fetch.py}, inputs: {text: '${inputs.text}'}}
- {name: model, type: python, source: {type: code, path: model.py}, inputs: {text: '${fetch.output}'}}
- {name: parse, type: python, source: {type: code, path: parse.py}, inputs: {text: '${model.output}'}}
"""
STEP = """\
import asyncio
from pathlib import Path
from promptflow.core import tool
HERE = Path(__file__).parent

@tool
def NAME(text: str) -> str:
    with open(HERE / "NAME.seen", "a") as file:
        file.write(text + "\\n")
"""


def test_a_slot_is_held_while_a_chain_runs_and_not_while_a_model_is_waited_for(tmp_path: Path) -> None:
    """One thread, and more requests than that wait for a model at the same time."""
    flow = tmp_path / "flow"
    flow.mkdir()
    (flow / "flow.dag.yaml").write_text(CHAINS)
    for name in ("fetch", "parse"):
        (flow / f"{name}.py").write_text(STEP.replace("NAME", name) + "    return text\n")
    waits = "    while not (HERE / 'go').exists():\n        await asyncio.sleep(0.01)\n    return text\n"
    (flow / "model.py").write_text(STEP.replace("NAME", "model").replace("def", "async def") + waits)

    def seen(name: str) -> int:
        return len((flow / f"{name}.seen").read_text().split())

    with serving(flow, "--workers=1", "--threads=1", "--max-concurrent-requests=20") as server:
        clients = [Client(server.port) for _ in range(10)]
        for number, client in enumerate(clients):
            client.ask(f"{number}")
        eventually(lambda: seen("model") == 10, within_s=WAIT_S, why="all should have had the thread, and wait")
        (flow / "go").touch()
        assert [client.answer()[0] for client in clients] == [200] * 10
        assert seen("parse") == 10
        for client in clients:
            client.close()


def test_the_worker_where_it_arrived_tells_how_long_a_request_waited_and_ran(tmp_path: Path) -> None:
    with rig(tmp_path, "--server-timing") as line:
        line.take_all_slots()
        line.hold("c", 2)
        line.await_reading()
        time.sleep(0.1)  # in the line
        line.go("b")
        assert line.pid_of("c") == line.other
        time.sleep(0.2)  # on its thread
        line.go("a", "c")
        _, headers, _ = line.clients[2].answer()
    [queue, run] = [float(each) for each in re.findall(r"dur=(\d+\.\d{3})", headers["server-timing"])]
    assert queue >= 100
    assert run >= 200


def test_a_client_that_leaves_a_stream_ends_it_in_the_other_worker(tmp_path: Path) -> None:
    with rig(tmp_path, capacity=2) as line:
        line.hold("a", 0)
        line.pid_of("a")
        line.clients[1].ask("stream:s", "Accept: text/event-stream")
        assert str(line.other).encode() in [line.clients[1].head(), line.clients[1].chunk()][1]
        line.clients[1].close()
        line.go("s0", "s1", "s2")

        def is_inside() -> bool:
            line.clients[2].ask("tell:later")
            return line.clients[2].answer()[0] == 200

        eventually(is_inside, within_s=WAIT_S, why="the ticket should come back")


def test_what_a_killed_worker_had_begun_is_lost_and_said_so(tmp_path: Path) -> None:
    with rig(tmp_path) as line:
        line.take_all_slots()
        os.kill(line.other, signal.SIGKILL)
        lost = line.clients[0] if dict(line.started())["a"] == line.other else line.clients[1]
        status, _, body = lost.answer()
        assert (status, body["error"]["code"]) == (502, "WorkerLost")
        line.go("a", "b")
        kept = line.clients[1] if lost is line.clients[0] else line.clients[0]
        assert kept.pid() == line.origin


KILLED_ON_ARRIVAL = """
import signal
from pfserve.web.score import Scoring

serve = Scoring.serve_handed_over

async def serve_or_die(self, exchange):
    try:
        os.rename(HERE / "die", HERE / "died")
    except FileNotFoundError:
        return await serve(self, exchange)
    os.kill(os.getpid(), signal.SIGKILL)

Scoring.serve_handed_over = serve_or_die
"""


def test_what_a_killed_worker_had_not_begun_is_run_elsewhere(tmp_path: Path) -> None:
    with rig(tmp_path, tool=ACT + KILLED_ON_ARRIVAL) as line:
        line.hold("a", 0)
        line.pid_of("a")
        (line.flow / "die").touch()
        line.hold("b", 1)
        eventually((line.flow / "died").exists, within_s=WAIT_S, why="b should be handed over")
        line.go("a", "b")
        assert line.clients[0].pid() == line.origin
        assert line.clients[1].pid() != line.other
        assert [name for name, _ in line.started()] == ["a", "b"], "b has run once"


def test_a_killed_origin_frees_all_that_it_held(tmp_path: Path) -> None:
    with rig(tmp_path, capacity=4) as line:
        line.take_all_slots()
        line.hold("c", 2)
        line.hold("d", 3)
        line.await_reading()
        line.elsewhere[0].ask("tell")
        assert line.elsewhere[0].answer()[0] == 429
        os.kill(line.origin, signal.SIGKILL)

        line.go("a", "b", "c", "d")  # the thread of the other worker comes back; nobody waits for it
        eventually(lambda: line.server.ask(body='{"text": "tell"}').status == 200, within_s=WAIT_S, why="there is room")
        line.elsewhere[1].ask("tell:later")
        assert line.elsewhere[1].pid() != line.origin
        assert {name for name, _ in line.started()} == {"a", "b", "later"}, "c and d have left with their worker"


def test_a_deadline_that_passes_in_the_line(tmp_path: Path) -> None:
    with rig(tmp_path, "--request-timeout-ms=1500") as line:
        line.take_all_slots()
        line.hold("c", 2)
        status, _, body = line.clients[2].answer()
        assert (status, body["error"]["code"]) == (408, "RequestTimeout")
        assert "it was waiting in line" in body["error"]["message"]
        for number in range(2):
            status, _, body = line.clients[number].answer()
            assert status == 408 and "it was running" in body["error"]["message"]
        line.go("a", "b")
        line.clients[0].ask("tell:d")
        line.clients[0].pid()
        assert [name for name, _ in line.started()] == ["a", "b", "d"], "c cost nothing"


def test_a_limit_on_the_wait(tmp_path: Path) -> None:
    with rig(tmp_path, "--max-queue-wait-ms=300") as line:
        line.take_all_slots()
        line.hold("c", 2)
        status, headers, body = line.clients[2].answer()
        assert (status, body["error"]["code"]) == (429, "TooManyRequests")
        assert "0.3 s" in body["error"]["message"] and int(headers["retry-after"]) >= 1
        line.go("a", "b")
        assert line.clients[0].pid() and line.clients[1].pid()
        assert len(line.started()) == 2


def test_a_deadline_that_cannot_be_met_is_refused_at_once(tmp_path: Path) -> None:
    slow = ACT.replace('if verb == "hold"', 'if verb == "sleep":\n        time.sleep(0.6)\n    if verb == "hold"')
    with rig(tmp_path, "--request-timeout-ms=1000", tool=slow) as line:
        for number in range(8):  # so that both know what a slot is taken for
            for client in (line.clients[number], line.elsewhere[number]):
                client.ask("sleep")
            for client in (line.clients[number], line.elsewhere[number]):
                client.pid()
        line.take_all_slots()
        answers = []
        for client in line.clients[2:10]:
            client.ask("sleep:c")
        for client in line.clients[2:10]:
            answers.append(client.answer())
        refused = [body["error"]["message"] for status, _, body in answers if status == 429]
        assert refused and all("are left of 1 s, the request timeout" in message for message in refused)
        assert {status for status, _, _ in answers} == {429, 408}
        assert [line.clients[number].answer()[0] for number in range(2)] == [408, 408]
        line.go("a", "b")
        line.clients[0].ask("tell:d")
        line.clients[0].pid()
        assert [name for name, _ in line.started()] == ["a", "b", "d"], "they cost no call"


@pytest.mark.parametrize("path", ["/health", "/livez", "/readyz"])
def test_health_does_not_wait(tmp_path: Path, path: str) -> None:
    with rig(tmp_path) as line:
        line.take_all_slots()
        line.hold("c", 2)
        assert line.server.ask("GET", path).status == 200
        assert not line.clients[2].is_answered()


def test_a_flow_that_does_not_block_knows_no_line(tmp_path: Path) -> None:
    watched = ASYNC + (
        "\nfrom pfserve.worker import dispatch\n"
        "def never(*_, **__):\n    raise AssertionError('an async flow has no dispatch')\n"
        "dispatch.Dispatch.__init__ = never\n"
    )
    with rig(tmp_path, tool=watched) as line:
        line.clients[0].ask("")
        assert line.clients[0].pid() == line.origin


def test_the_headers_of_workers_are_nothing_to_clients(tmp_path: Path) -> None:
    """Who sends them is served as if he had not; they neither reach the other worker nor come back."""
    told = ("x-pfserve-seat: 0", "x-pfserve-number: 1", "x-pfserve-arrived: 0.0")
    with rig(tmp_path, "--request-timeout-ms=60000") as line:
        line.hold("a", 0, *told)
        line.hold("b", 1, *told, "x-request-id: mine")
        assert {line.pid_of("a"), line.pid_of("b")} == {line.origin, line.other}
        line.go("a", "b")
        status, headers, _ = line.clients[1].answer()
        assert status == 200 and headers["x-request-id"] == "mine"
        assert not [name for name in headers if name.startswith("x-pfserve-")]


def test_a_drained_server_finishes_its_line(tmp_path: Path) -> None:
    with rig(tmp_path) as line:
        line.take_all_slots()
        for number, name in enumerate(("c", "d", "e"), start=2):
            line.hold(name, number)
        line.server.process.send_signal(signal.SIGTERM)
        eventually(lambda: line.server.log.count("drains") >= 2, within_s=WAIT_S, why="the workers should drain")
        line.go("a", "b", "c", "d", "e")
        for number in range(5):
            assert line.clients[number].pid()
        assert line.server.process.wait(WAIT_S) == 0


def test_quick_requests_leave_a_worker_that_is_held_up(tmp_path: Path) -> None:
    """They are kept where they arrive, but not behind one that turns out not to be quick."""
    with rig(tmp_path) as line:
        for _ in range(100):
            line.clients[0].ask("hurry")
            assert line.clients[0].pid() == line.origin
        line.hold("a", 0)
        for client in line.clients[1:6]:  # at once: it is not known yet
            client.ask("hurry")
        assert {client.pid() for client in line.clients[1:6]} <= {line.other, line.origin}
        assert line.pid_of("a") == line.origin
        line.clients[1].ask("hurry")
        assert line.clients[1].pid() == line.other
        line.go("a")


def test_a_worker_that_hangs_in_a_call_is_no_obstacle(tmp_path: Path) -> None:
    with rig(tmp_path, "--request-timeout-ms=1000", "--stuck-after-s=60") as line:
        line.hold("a", 0)
        stuck = line.pid_of("a")
        assert line.clients[0].answer()[0] == 408
        began = time.monotonic()
        for _ in range(5):
            line.clients[0].ask("tell")
            assert line.clients[0].pid() == ({line.origin, line.other} - {stuck}).pop()
        assert time.monotonic() - began < WAIT_S
