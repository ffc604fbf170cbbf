"""Load: clients on kept and on new connections, each request with an id of its own that the flow echoes."""

from __future__ import annotations

import asyncio
import json
import random
import time
from dataclasses import dataclass, field

HANG_S = 20.0  # an answer that takes longer will never come: the flow's nodes take milliseconds


@dataclass
class Request:
    """One request and what became of it. Times are monotonic seconds."""

    id: str
    kind: str  # "async" | "sync"
    opened_s: float  # when its connection was made
    sent_s: float
    port: int = 0  # of its connection's client end
    ended_s: float = 0.0
    outcome: str = ""  # "answered" | "full" | "lost" | "hung" | "wrong" | "refused connection"
    told: str = ""


@dataclass
class Load:
    """All clients together."""

    port: int
    requests: list[Request] = field(default_factory=list)
    stopping: bool = False
    pids: set[int] = field(default_factory=set)  # of the workers that have answered


class Broken(Exception):
    """The connection ended before the answer did."""


class Connection:
    """One connection of a client."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        self.opened_s = time.monotonic()
        self.port = int(writer.get_extra_info("sockname")[1])

    @classmethod
    async def open(cls, port: int) -> Connection:
        return cls(*await asyncio.open_connection("127.0.0.1", port))

    async def ask(self, method: str, path: str, body: bytes = b"") -> tuple[int, bytes, bool]:
        """Status, body, and whether the server closes."""
        head = (
            f"{method} {path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n"
        )
        try:
            self._writer.write(head.encode() + b"\r\n" + body)
            status, headers = self._parse(await self._reader.readuntil(b"\r\n\r\n"))
            answer = await self._reader.readexactly(int(headers["content-length"]))
        except (OSError, asyncio.IncompleteReadError) as problem:
            raise Broken(type(problem).__name__) from None
        return status, answer, headers.get("connection") == "close"

    def extra(self) -> bytes:
        """What has come though nobody asked."""
        return bytes(self._reader._buffer)  # type: ignore[attr-defined]

    def close(self) -> None:
        self._writer.transport.abort()

    @staticmethod
    def _parse(head: bytes) -> tuple[int, dict[str, str]]:
        first, *lines = head.decode("latin-1").split("\r\n")
        pairs = (line.partition(":") for line in lines if line)
        return int(first.split()[1]), {name.lower(): value.strip() for name, _, value in pairs}


async def client(load: Load, name: str, *, keeps: bool, seed: int) -> None:
    """Ask again and again until the load stops; ``keeps`` its connection for as long as the server does."""
    chance = random.Random(seed)
    connection: Connection | None = None
    number = 0
    while not load.stopping:
        await asyncio.sleep(chance.random() * 0.01)
        number += 1
        request = Request(f"{name}-{number}", chance.choice(("async", "sync")), 0.0, time.monotonic())
        load.requests.append(request)
        try:
            connection = connection or await Connection.open(load.port)
        except OSError as problem:
            _end(request, "refused connection", str(problem))
            continue
        request.opened_s, request.port = connection.opened_s, connection.port
        goes_on = await _ask(load, connection, request)
        if not (keeps and goes_on):
            connection.close()
            connection = None
    if connection is not None:
        connection.close()


async def _ask(load: Load, connection: Connection, request: Request) -> bool:
    body = json.dumps({"id": request.id, "how": request.kind}).encode()
    try:
        async with asyncio.timeout(HANG_S):
            status, answer, closes = await connection.ask("POST", "/score", body)
    except TimeoutError:
        _end(request, "hung")
        return False
    except Broken as problem:
        _end(request, "lost", str(problem))
        return False
    await asyncio.sleep(0)
    if connection.extra():
        _end(request, "wrong", f"a second answer: {connection.extra()[:200]!r}")
        return False
    if status == 200:
        id_, pid = json.loads(answer)[request.kind].split()
        load.pids.add(int(pid))
        _end(request, "answered" if id_ == request.id else "wrong", f"answered with {id_}")
    elif status == 502 and b'"WorkerLost"' in answer:  # another worker ran it
        _end(request, "lost", "502")
    else:
        _end(request, "full" if status == 429 else f"status {status}", answer[:200].decode())
    return not closes


def _end(request: Request, outcome: str, told: str = "") -> None:
    request.ended_s = time.monotonic()
    request.outcome, request.told = outcome, told
