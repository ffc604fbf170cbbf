"""A whole server as the process tests see it: started as a user starts it, watched from outside."""

from __future__ import annotations

import contextlib
import http.client
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import orjson

from eventually import eventually

COMMAND = [sys.executable, "-c", "from pfserve.cli import main; main()", "serve"]
ROOT = Path(__file__).parents[1]

FLOW = """\
inputs:
  what:
    type: string
outputs:
  pid:
    type: string
    reference: ${act.output}
nodes:
- name: act
  type: python
  source:
    type: code
    path: act.py
  inputs:
    what: ${inputs.what}
"""

ACT = """\
import asyncio, os, signal, subprocess, sys, time
from pathlib import Path
from promptflow.core import tool
from pfserve.worker.messages import Replace

HERE = Path(__file__).parent
KEPT = []
with open(HERE / "imported-by", "a") as file:
    file.write(f"{os.getpid()}\\n")

def find(name):
    frame = sys._getframe()
    while name not in frame.f_locals:
        frame = frame.f_back
    return frame.f_locals[name]

def hold_the_lock_and_stop():
    find("duty").region.lock.acquire()
    os.kill(os.getpid(), signal.SIGSTOP)

@tool
async def act(what: str) -> str:
    verb, _, detail = what.partition(":")
    if detail:
        (HERE / "busy").write_text(f"{what} {os.getpid()}")
    if verb == "wait":
        await asyncio.sleep(float(detail))
    elif verb == "block":
        time.sleep(float(detail))
    elif verb == "orphan":
        return subprocess.check_output(f"sleep {detail} > /dev/null & echo $!", shell=True, text=True).strip()
    elif verb == "replace":
        find("duty").channel.send(Replace("the test asked"))
    elif verb == "grow":
        KEPT.append(b"x" * int(float(detail) * 1e6))
    elif verb == "lock":
        hold_the_lock_and_stop()
    return str(os.getpid())
"""


def write_flow(folder: Path, on_import: str = "") -> Path:
    """A flow whose one node does as the request says and answers with its worker's pid."""
    folder.mkdir(exist_ok=True)
    (folder / "flow.dag.yaml").write_text(FLOW)
    (folder / "act.py").write_text(ACT + on_import)
    return folder


def imported_by(flow: Path) -> list[int]:
    """The processes that have imported the flow's code."""
    file = flow / "imported-by"
    return [int(pid) for pid in file.read_text().split()] if file.exists() else []


def children(pid: int) -> list[int]:
    """The children of a process, in the order of their birth."""
    try:
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except FileNotFoundError:
        return []


def alive(pid: int) -> bool:
    """Whether the process exists and is no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


class Instance:
    """A running server. Make it with :func:`instance`, which also ends it."""

    def __init__(
        self, flow: Path, flags: Sequence[str], wrapper: Sequence[str], folder: Path, port: int | None
    ) -> None:
        self.log_file = folder / "log"
        self._out = self.log_file.open("wb")
        command = [*wrapper, *COMMAND, str(flow), "--host=127.0.0.1", "--workers=2"]
        command += [*([] if port is None else [f"--port={port}"]), *flags]
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}
        self.process = subprocess.Popen(
            command, stdout=self._out, stderr=self._out, cwd=folder, env=environment, start_new_session=True
        )
        self.master = self.process.pid
        self.clients = ThreadPoolExecutor(8)

    def log(self) -> str:
        return self.log_file.read_text(errors="replace")

    @property
    def port(self) -> int:
        found = re.search(r"serving on https?://127\.0\.0\.1:(\d+)", self.log())
        assert found, self.log()
        return int(found[1])

    def ready(self, generation: int = 1) -> Instance:
        ready = f"generation {generation}: 2 workers ready"

        def is_ready() -> bool:
            assert self.process.poll() is None or ready in self.log(), self.log()
            return ready in self.log()

        eventually(is_ready, within_s=20, why=f"generation {generation} should get ready")
        return self

    def leader(self) -> int:
        """The pid of the youngest leader that lives."""
        pids = [int(pid) for pid in re.findall(r"leader pid (\d+): started", self.log())]
        return next(pid for pid in reversed(pids) if pid in children(self.master))

    def workers(self) -> list[int]:
        return children(self.leader())

    def ask(self, what: str = "", timeout_s: float = 20) -> tuple[int, str]:
        """POST /score on a connection of its own: status, and the pid or the error's message."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout_s)
        with contextlib.closing(connection):
            connection.request("POST", "/score", orjson.dumps({"what": what}), {"Content-Type": "application/json"})
            response = connection.getresponse()
            body = orjson.loads(response.read())
            return response.status, body["pid"] if response.status == 200 else body["error"]["message"]

    def asking(self, what: str) -> Future[tuple[int, str]]:
        """The same, meanwhile."""
        return self.clients.submit(self.ask, what)

    def get(self, path: str) -> int:
        """The status of a GET."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        with contextlib.closing(connection):
            connection.request("GET", path)
            return connection.getresponse().status

    def listens(self) -> bool:
        """Whether new connections are taken."""
        try:
            socket.create_connection(("127.0.0.1", self.port), 1).close()
        except ConnectionRefusedError:
            return False
        return True

    def signal(self, number: signal.Signals) -> None:
        os.kill(self.master, number)

    def exit_code(self, within_s: float = 15) -> int:
        """Wait for the end."""
        try:
            return self.process.wait(within_s)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"it did not end within {within_s:g} s:\n{self.log()}") from None

    def stop(self) -> int:
        self.signal(signal.SIGTERM)
        return self.exit_code()

    def clear_up(self) -> None:
        """End whatever a failed test has left: every process of the session."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(10)
        self.clients.shutdown()
        self._out.close()


@contextlib.contextmanager
def instance(flow: Path, *flags: str, wrapper: Sequence[str] = (), port: int | None = 0) -> Iterator[Instance]:
    """Start a server for the flow with two workers on a free port. Its log lies beside the flow's folder."""
    server = Instance(flow, flags, wrapper, flow.parent, port)
    try:
        yield server
    finally:
        server.clear_up()


def wait_until_running(flow: Path, what: str) -> int:
    """Wait until the node runs with this input; give the pid of the worker that runs it."""

    def running() -> int:
        seen, pid = (flow / "busy").read_text().split()
        return int(pid) if seen == what else 0

    return eventually(running, within_s=5, why=f"the node should run with {what!r}")
