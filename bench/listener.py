"""Readers of event streams, and when each token reached them. A program of its own, so that its CPU is not ours.

    python listener.py '{"port": …, "path": …, "body": …, "streams": …, "spread_s": …, "rate": …}'

Every stream is a connection of its own; they begin one after the other over ``spread_s``. Prints one JSON object: for
each stream the time to its first token, and for each token how much later it came than its rate has it, both in
microseconds from the start of the request. With ``hold`` it prints ``held COUNT`` instead when each has its first
token, and ends when its stdin does.
"""

from __future__ import annotations

import asyncio
import sys
import time
from typing import cast

import msgspec
import uvloop

_GIVE_UP_S = 120.0


class Wanted(msgspec.Struct):
    """What to ask, how often, and how fast tokens should come."""

    port: int
    path: str
    body: str
    streams: int
    spread_s: float
    rate: float  # tokens/s of each stream
    hold: bool = False


class Heard(msgspec.Struct):
    """What came. Times are microseconds after the start of the request."""

    first_us: list[int]
    late_us: list[int]
    failures: int  # streams that were refused, or broke off


class Reader(asyncio.Protocol):
    """One stream."""

    def __init__(self, wanted: Wanted, heard: Heard) -> None:
        self._wanted = wanted
        self._heard = heard
        self._rest = b""
        self._tokens = 0
        self._is_good = False
        self.first = asyncio.get_running_loop().create_future()
        self.ended = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask."""
        self._transport = cast(asyncio.Transport, transport)
        body = self._wanted.body.encode()
        head = f"Host: localhost\r\nAccept: text/event-stream\r\nContent-Length: {len(body)}"
        self._transport.write(f"POST {self._wanted.path} HTTP/1.1\r\n{head}\r\n\r\n".encode() + body)
        self._began_s = time.monotonic()

    def data_received(self, data: bytes) -> None:
        """Note when each token came."""
        now_s = time.monotonic()
        *events, self._rest = (self._rest + data).split(b"\n\n")
        for event in events:
            at = event.find(b"data: {")
            if at >= 0 and token_of(msgspec.json.decode(event[at + 6 :])):
                self._note(now_s - self._began_s)
        if self._rest.endswith(b"\r\n0\r\n\r\n"):
            self._is_good = True
            self._transport.close()

    def _note(self, after_s: float) -> None:
        if not self._tokens:
            self._heard.first_us.append(round(after_s * 1e6))
            self.first.set_result(None)
        self._heard.late_us.append(round((after_s - self._tokens / self._wanted.rate) * 1e6))
        self._tokens += 1

    def connection_lost(self, problem: Exception | None) -> None:
        """The stream is over, or broke off."""
        if not self._is_good:
            self._heard.failures += 1
            if not self._tokens:
                print(f"no token came: {problem!r} {self._rest[:300]!r}", file=sys.stderr)
        for future in (self.first, self.ended):
            if not future.done():
                future.set_result(None)


def token_of(event: dict[str, object]) -> object:
    """What an event adds to the text: of a model's stream, or of a flow's, whose events have one output."""
    choices = event.get("choices")
    if choices is None:
        return next(iter(event.values()), None)
    return choices[0]["delta"].get("content") if choices else None  # type: ignore[index]


async def listen(wanted: Wanted) -> Heard:
    """Read every stream to its end, or, with ``hold``, until stdin ends."""
    loop = asyncio.get_running_loop()
    heard = Heard([], [], 0)
    began_s, readers = loop.time(), []
    for index in range(wanted.streams):
        await asyncio.sleep(began_s + wanted.spread_s * index / wanted.streams - loop.time())
        place = f"127.0.0.{2 + index % 4}", 0
        _, reader = await loop.create_connection(
            lambda: Reader(wanted, heard), "127.0.0.1", wanted.port, local_addr=place
        )
        readers.append(reader)
    async with asyncio.timeout(_GIVE_UP_S):
        await asyncio.gather(*(reader.first if wanted.hold else reader.ended for reader in readers))
        if wanted.hold:
            print(f"held {len(heard.first_us)}", flush=True)
            await asyncio.to_thread(sys.stdin.read)
    return heard


def main(text: str) -> None:
    """Do what the JSON says."""
    wanted = msgspec.json.decode(text, type=Wanted)
    heard = uvloop.run(listen(wanted))
    if not wanted.hold:
        sys.stdout.buffer.write(msgspec.json.encode(heard))


if __name__ == "__main__":
    main(sys.argv[1])
