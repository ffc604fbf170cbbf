"""A real server on a real socket, in a thread of the test process, with a fake executor, gate and vitals."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import threading
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import Any

import msgspec
import uvloop

from eventually import eventually
from pfserve.plan import InputSpec, OutputSpec, Plan, Reference, Step, StepKind
from pfserve.web import Limits, Service, Settings

WAIT_S = 5.0  # for what must happen; nothing that works takes as long


def plan(*required: str, optional: tuple[str, ...] = (), source: StepKind | None = None) -> Plan:
    """A plan of which only what the web room reads is real. ``source`` is what kind of node its output comes from."""
    slot = len(required) + len(optional)
    inputs = [InputSpec(name, "string", True, None, str) for name in required]
    inputs += [InputSpec(name, "string", False, "", str) for name in optional]
    return Plan(
        flow_name="rig",
        kind="dag",
        inputs=tuple(inputs),
        outputs=(OutputSpec("output", Reference(slot, (), "work", ""), None, False),) if source else (),
        steps=(Step("work", source, print, False, None, (), slot, (), None, ""),) if source else (),
        chains=(),
        literals=(),
        width=0,
        swagger=b'{"openapi":"3.0.0"}',
        environment={},
        fingerprint="",
    )


class FakeExecutor:
    """Answers what ``answer`` gives; tells what it was asked and which requests were cancelled."""

    def __init__(self) -> None:
        self.answer: Callable[[dict[str, object]], Awaitable[dict[str, object]]] = self.echo
        self.asked: list[dict[str, object]] = []
        self.asked_to_stream: list[bool] = []
        self.cancelled = 0

    async def echo(self, values: dict[str, object]) -> dict[str, object]:
        return {"output": values}

    async def run(self, values: dict[str, object], streaming: bool = False) -> dict[str, object]:
        self.asked.append(values)
        self.asked_to_stream.append(streaming)
        try:
            return await self.answer(values)
        except asyncio.CancelledError:
            self.cancelled += 1
            raise


class FakeGate:
    """A bound of its own; ``looks`` counts the looks."""

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self.tickets = 0
        self.taken = 0
        self.looks = 0
        self.retry_s = 0.25

    def full(self) -> bool:
        self.looks += 1
        return self.tickets >= self.capacity

    def admit(self) -> bool:
        if self.tickets >= self.capacity:
            return False
        self.tickets += 1
        self.taken += 1
        return True

    def release(self) -> None:
        self.tickets -= 1
        assert self.tickets >= 0

    def retry_after_s(self, ages_s: Sequence[float]) -> float:
        return self.retry_s


class FakeVitals:
    draining = False
    alive = True
    is_ready = True

    def live(self) -> bool:
        return self.alive

    def ready(self) -> bool:
        return self.is_ready


class Rig:
    """The running server. ``call`` runs a function on its loop."""

    def __init__(self, flow: Plan, settings: Settings, capacity: int) -> None:
        self.executor = FakeExecutor()
        self.gate = FakeGate(capacity)
        self.vitals = FakeVitals()
        self.closed = 0
        self._plan = flow
        self._settings = settings
        self._started = threading.Event()
        self._thread = threading.Thread(target=lambda: uvloop.run(self._serve()))
        self.address: tuple[str, int] = ("", 0)

    async def _serve(self) -> None:
        self.loop = asyncio.get_running_loop()
        self._stop = asyncio.Event()
        self.service = Service(
            self._plan,
            self.executor,
            self.gate,
            self.vitals,
            self._settings,
            loop=self.loop,
            connection_closed=self._count_closed,
        )
        server = await self.loop.create_server(self.service.protocol, "127.0.0.1", 0)
        self.address = server.sockets[0].getsockname()
        self._started.set()
        await self._stop.wait()
        server.close()
        await self.service.finish(time.monotonic())
        await asyncio.sleep(0)

    def _count_closed(self, _: object) -> None:
        self.closed += 1

    def start(self) -> None:
        self._thread.start()
        assert self._started.wait(WAIT_S), "the server did not start"

    def stop(self) -> None:
        self.loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(WAIT_S)
        assert not self._thread.is_alive(), "the server did not stop"

    def call(self, function: Callable[[], Any]) -> Any:
        """Run ``function`` on the server's loop and give its result."""

        async def run() -> Any:
            result = function()
            return await result if asyncio.iscoroutine(result) else result

        return asyncio.run_coroutine_threadsafe(run(), self.loop).result(WAIT_S)

    def connect(self) -> Wire:
        return Wire(self.address)

    def ask(self, request: bytes) -> Answer:
        """One request on a connection of its own."""
        with self.connect() as wire:
            wire.send(request)
            return wire.answer(head_only=request.startswith(b"HEAD "))


class Held:
    """Requests that stay inside until they are let go."""

    def __init__(self, rig: Rig) -> None:
        self.rig = rig
        self.go = rig.call(asyncio.Event)
        rig.executor.answer = self.answer

    async def answer(self, values: dict[str, object]) -> dict[str, object]:
        await self.go.wait()
        return {}

    def let_go(self) -> None:
        self.rig.call(self.go.set)

    def eventually_inside(self, count: int) -> None:
        eventually(
            lambda: self.rig.gate.tickets == count, within_s=WAIT_S, why=f"the number of requests inside is not {count}"
        )


@contextlib.contextmanager
def serving(
    flow: Plan | None = None, *, capacity: int = 100, limits: Limits | None = None, **settings: Any
) -> Iterator[Rig]:
    """A server for the time of a ``with`` block."""
    values: dict[str, Any] = {
        "version": "9.9.9",
        "capacity": capacity,
        "capacity_origin": "--max-concurrent-requests",
        "request_timeout_s": 30.0,
        "limits": limits or Limits(),
        **settings,
    }
    rig = Rig(flow or plan("text"), Settings(**values), capacity)
    rig.start()
    try:
        yield rig
    finally:
        rig.stop()


class Answer(msgspec.Struct, frozen=True):
    """A response as it came."""

    status: int
    headers: dict[str, str]  # names in lower case
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def code(self) -> str:
        return str(self.json["error"]["code"])

    @property
    def message(self) -> str:
        return str(self.json["error"]["message"])


class Wire:
    """A client's end of one connection: raw bytes out, parsed responses in."""

    def __init__(self, address: tuple[str, int]) -> None:
        self.socket = socket.create_connection(address, timeout=WAIT_S)
        self._read = b""

    def __enter__(self) -> Wire:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def half_close(self) -> None:
        self.socket.shutdown(socket.SHUT_WR)

    def _more(self) -> None:
        data = self.socket.recv(1 << 16)
        if not data:
            raise ConnectionError(f"closed after {self._read!r}")
        self._read += data

    def take_until(self, mark: bytes) -> bytes:
        while mark not in self._read:
            self._more()
        taken, _, self._read = self._read.partition(mark)
        return taken + mark

    def answer(self, *, head_only: bool = False) -> Answer:
        lines = self.take_until(b"\r\n\r\n").decode("latin-1").split("\r\n")
        headers = {}
        for line in lines[1:-2]:
            name, _, value = line.partition(": ")
            assert name.lower() not in headers, f"{name} twice"
            headers[name.lower()] = value
        length = 0 if head_only else int(headers["content-length"])
        while len(self._read) < length:
            self._more()
        body, self._read = self._read[:length], self._read[length:]
        return Answer(int(lines[0].split()[1]), headers, body)

    def chunk(self) -> bytes:
        """The next chunk of a chunked body; empty at its end."""
        length = int(self.take_until(b"\r\n"), 16)
        while len(self._read) < length + 2:
            self._more()
        data, self._read = self._read[:length], self._read[length + 2 :]
        return data

    def is_quiet(self, for_s: float = 0.1) -> bool:
        """Whether nothing comes. Only for what must not happen."""
        self.socket.settimeout(for_s)
        try:
            return not self._read and self.socket.recv(1, socket.MSG_PEEK) == b"never"
        except TimeoutError:
            return True
        finally:
            self.socket.settimeout(WAIT_S)

    def at_end(self) -> bool:
        """Whether the server has closed, with nothing more to say. Waits for it."""
        if self._read:
            return False
        try:
            return self.socket.recv(1) == b""
        except ConnectionResetError:
            return True


def post(body: bytes | str, *headers: str, path: str = "/score", version: str = "1.1") -> bytes:
    """The bytes of a POST request."""
    data = body.encode() if isinstance(body, str) else body
    lines = [f"POST {path} HTTP/{version}", "Host: rig", f"Content-Length: {len(data)}", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + data


def get(path: str, *headers: str, method: str = "GET", version: str = "1.1") -> bytes:
    """The bytes of a request without a body."""
    return "\r\n".join([f"{method} {path} HTTP/{version}", "Host: rig", *headers]).encode() + b"\r\n\r\n"
