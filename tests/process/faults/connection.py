"""A client's connection: over TCP, TLS or a Unix socket; one request at a time."""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
import time
from dataclasses import dataclass
from typing import NamedTuple


@dataclass(frozen=True)
class Address:
    """Where clients come in: a port of this machine, with TLS where there is a ``trust``, or a Unix socket."""

    place: int | str
    trust: ssl.SSLContext | None = None

    @property
    def kind(self) -> str:
        """How people call it."""
        return "Unix socket" if isinstance(self.place, str) else "TLS" if self.trust else "TCP"


class Answer(NamedTuple):
    """All of an answer."""

    status: int
    body: bytes
    is_stream: bool
    closes: bool  # the server closes the connection


class Broken(Exception):
    """The connection ended before the answer did; ``received`` are the pieces of a stream that had come whole."""

    def __init__(self, why: str, received: bytes = b"") -> None:
        super().__init__(why)
        self.received = received


class Connection:
    """One connection of a client. ``end`` is what the kernel calls the client's end of it, see :func:`name_of`."""

    def __init__(self, address: Address) -> None:
        self._address = address
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        self._pieces = bytearray()  # of the answer that is being read
        self.opened_s = 0.0
        self.end = ""

    async def open(self) -> None:
        """Connect.

        Raises:
            OSError: the server takes no connection.
            Broken: it has taken it, and dropped it before it could be used.
        """
        place, trust = self._address.place, self._address.trust
        is_unix = isinstance(place, str)
        ours = socket.socket(socket.AF_UNIX if is_unix else socket.AF_INET)
        ours.setblocking(False)
        try:
            await asyncio.get_running_loop().sock_connect(ours, place if is_unix else ("127.0.0.1", place))
        except BaseException:
            ours.close()
            raise
        self.opened_s, self.end = time.monotonic(), name_of(ours)
        try:
            self._streams = await asyncio.open_connection(
                sock=ours, ssl=trust, server_hostname="127.0.0.1" if trust else None
            )
        except OSError as problem:
            raise Broken(f"in its handshake: {problem!r}") from None

    async def ask(self, method: str, path: str, body: bytes = b"", *headers: str) -> Answer:
        """Send a request and read its answer.

        Raises:
            Broken: the connection ended first.
        """
        assert self._streams is not None, "open it first"
        reader, writer = self._streams
        lines = [f"{method} {path} HTTP/1.1", "Host: x", f"Content-Length: {len(body)}", *headers]
        self._pieces.clear()
        try:
            writer.write("\r\n".join([*lines, "", ""]).encode() + body)
            status, answered = _parse(await reader.readuntil(b"\r\n\r\n"))
            is_stream = "transfer-encoding" in answered
            if is_stream:
                await self._read_chunks(reader)
            else:
                self._pieces += await reader.readexactly(int(answered["content-length"]))
        except (OSError, asyncio.IncompleteReadError) as problem:
            raise Broken(type(problem).__name__, bytes(self._pieces)) from None
        return Answer(status, bytes(self._pieces), is_stream, answered.get("connection") == "close")

    def extra(self) -> bytes:
        """What has come though nobody asked."""
        return bytes(self._streams[0]._buffer) if self._streams else b""  # type: ignore[attr-defined]

    def close(self) -> None:
        """Be gone."""
        if self._streams is not None:
            self._streams[1].transport.abort()

    async def _read_chunks(self, reader: asyncio.StreamReader) -> None:
        while size := int(await reader.readuntil(b"\r\n"), 16):
            self._pieces += (await reader.readexactly(size + 2))[:-2]
        await reader.readexactly(2)


def name_of(end: socket.socket) -> str:
    """What the kernel calls this end: its port, or, as the ends of Unix sockets have no address, its inode."""
    if end.family == socket.AF_UNIX:
        return f"unix:{os.fstat(end.fileno()).st_ino}"
    return f"tcp:{end.getsockname()[1]}"


def _parse(head: bytes) -> tuple[int, dict[str, str]]:
    first, *lines = head.decode("latin-1").split("\r\n")
    pairs = (line.partition(":") for line in lines if line)
    return int(first.split()[1]), {name.lower(): value.strip() for name, _, value in pairs}
