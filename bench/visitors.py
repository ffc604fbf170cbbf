"""Open-loop clients over a fixed crowd of keep-alive connections. A program of its own, to tell its CPU apart.

    python visitors.py PORT CONNECTIONS BODY < ARRIVALS

ARRIVALS is a JSON list of seconds since the start, ascending: when requests are meant to be sent. Each goes out on one
of the idle connections, whichever chance wills; where none is idle it waits for one, and its latency counts from when
it was meant to go.

Prints a JSON list, one item a request: [latency in seconds, status, lateness]. Lateness is ours: how long after its
time a request was found due. Status 0 is no answer.
"""

from __future__ import annotations

import asyncio
import json
import random
import sys
import time

PATIENCE_S = 120.0
Visit = tuple[float, int, float]


class Seat:
    """A connection, opened anew whenever the server has closed it."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None

    async def open(self) -> None:
        """Connect, unless that is done."""
        if self._writer is None or self._writer.is_closing():
            self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self._port)

    async def ask(self, request: bytes) -> int:
        """One request: the status of its answer, 0 for none."""
        try:
            async with asyncio.timeout(PATIENCE_S):
                await self.open()
                return await self._exchange(request)
        except (OSError, EOFError, IndexError):
            self._close()
            return 0

    async def _exchange(self, request: bytes) -> int:
        assert self._reader is not None and self._writer is not None
        self._writer.write(request)
        lines = (await self._reader.readuntil(b"\r\n\r\n")).decode().lower().split("\r\n")
        lengths = [int(line.partition(":")[2]) for line in lines if line.startswith("content-length:")]
        await self._reader.readexactly(lengths[0])
        if "connection: close" in lines:
            self._close()
        return int(lines[0].split()[1])

    def _close(self) -> None:
        if self._writer is not None:
            self._writer.close()
            self._writer = None


class Crowd:
    """The connections that are idle, and the requests that wait for one."""

    def __init__(self) -> None:
        self._idle: list[Seat] = []
        self._chance = random.Random(1)
        self._free = asyncio.Semaphore(0)

    def leave(self, seat: Seat) -> None:
        """It is idle."""
        self._idle.append(seat)
        self._free.release()

    async def take(self) -> Seat:
        """One that was idle."""
        await self._free.acquire()
        return self._idle.pop(self._chance.randrange(len(self._idle)))


async def visit(crowd: Crowd, request: bytes, due_s: float) -> Visit:
    """One request."""
    late_s = time.monotonic() - due_s
    seat = await crowd.take()
    status = await seat.ask(request)
    took_s = time.monotonic() - due_s
    crowd.leave(seat)
    return took_s, status, late_s


async def visits(port: int, connections: int, body: str, arrivals: list[float]) -> list[Visit]:
    """All of them."""
    head = f"Host: localhost\r\nContent-Type: application/json\r\nContent-Length: {len(body.encode())}\r\n"
    request = f"POST /score HTTP/1.1\r\n{head}\r\n{body}".encode()
    crowd = Crowd()
    for _ in range(connections):
        seat = Seat(port)
        await seat.open()
        crowd.leave(seat)
    start_s = time.monotonic() + 0.1
    going = []
    for arrival_s in arrivals:
        due_s = start_s + arrival_s
        if (ahead_s := due_s - time.monotonic()) > 0:
            await asyncio.sleep(ahead_s)
        going.append(asyncio.create_task(visit(crowd, request, due_s)))
    return list(await asyncio.gather(*going))


if __name__ == "__main__":
    port, connections, body = sys.argv[1:]
    print(json.dumps(asyncio.run(visits(int(port), int(connections), body, json.load(sys.stdin)))))
