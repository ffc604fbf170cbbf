"""Clients that press on while a server is reloaded or loses workers: every answer is looked at, none may be missing."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from collections import Counter
from collections.abc import Callable, Iterator

import orjson

BODY = orjson.dumps({"what": ""})
REQUEST = b"POST /score HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%b" % (len(BODY), BODY)

PAUSE_S = 0.003  # leaves the server's processes the time to start


class Client:
    """One connection that reads whole answers."""

    def __init__(self, place: int | str, context: ssl.SSLContext | None = None) -> None:
        """``place`` is a port of this machine or the path of a Unix socket; ``context`` is for TLS."""
        if isinstance(place, str):
            self.socket = socket.socket(socket.AF_UNIX)
            self.socket.settimeout(30)
            self.socket.connect(place)
        else:
            self.socket = socket.create_connection(("127.0.0.1", place), timeout=30)
        if context is not None:
            self.socket = context.wrap_socket(self.socket, server_hostname="127.0.0.1")
        self._read = b""
        self.head = self.body = b""  # of the last answer

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def answer(self) -> int:
        """The status of the next answer."""
        while b"\r\n\r\n" not in self._read:
            self._more()
        head, _, self._read = self._read.partition(b"\r\n\r\n")
        self.head = head
        length = int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0])
        while len(self._read) < length:
            self._more()
        self.body, self._read = self._read[:length], self._read[length:]
        return int(head.split()[1])

    def _more(self) -> None:
        data = self.socket.recv(1 << 16)
        if not data:
            raise ConnectionError("the server closed the connection")
        self._read += data

    def close(self) -> None:
        self.socket.close()


def keep_alive(port: int, stop: threading.Event, note: Callable[[object], None]) -> None:
    """One request after the other on one connection."""
    client = Client(port)
    with contextlib.closing(client):
        while not stop.is_set():
            client.send(REQUEST)
            note(client.answer())
            stop.wait(PAUSE_S)


def pipelined(port: int, stop: threading.Event, note: Callable[[object], None]) -> None:
    """Always some requests ahead, cut anywhere: the rest of the last one is held back until the others are answered."""
    client = Client(port)
    with contextlib.closing(client):
        cut = 0
        while not stop.is_set():
            cut = (cut + 7) % len(REQUEST)
            client.send(REQUEST * 3 + REQUEST[:cut])
            for _ in range(3):
                note(client.answer())
            client.send(REQUEST[cut:])
            note(client.answer())
            stop.wait(PAUSE_S)


def new_connections(port: int, stop: threading.Event, note: Callable[[object], None]) -> None:
    """A connection for each request."""
    while not stop.is_set():
        client = Client(port)
        with contextlib.closing(client):
            client.send(REQUEST)
            note(client.answer())
        stop.wait(PAUSE_S)


def idle(port: int, stop: threading.Event, note: Callable[[object], None]) -> None:
    """Connections that are silent most of the time, half of them in the middle of a head."""
    clients = [Client(port) for _ in range(8)]
    for client in clients[::2]:
        client.send(REQUEST[:20])
    while not stop.wait(0.7):
        for client in clients[::2]:
            client.send(REQUEST[20:] + REQUEST[:20])
            note(client.answer())
        for client in clients[1::2]:
            client.send(REQUEST)
            note(client.answer())
    for client in clients:
        client.close()


class Load:
    """What came of it: statuses, and exceptions by their text."""

    def __init__(self) -> None:
        self.seen: Counter[object] = Counter()
        self._lock = threading.Lock()  # of ``seen``

    def note(self, what: object) -> None:
        with self._lock:
            self.seen[what] += 1

    @property
    def total(self) -> int:
        return sum(self.seen.values())


@contextlib.contextmanager
def pressing(port: int) -> Iterator[Load]:
    """All kinds of clients, for the time of a ``with`` block."""
    load, stop = Load(), threading.Event()

    def press(kind: Callable[..., None]) -> None:
        try:
            kind(port, stop, load.note)
        except Exception as problem:
            load.note(f"{kind.__name__}: {problem!r}")

    kinds = [keep_alive, keep_alive, keep_alive, pipelined, pipelined, new_connections, idle]
    threads = [threading.Thread(target=press, args=(kind,)) for kind in kinds]
    for thread in threads:
        thread.start()
    try:
        yield load
    finally:
        stop.set()
        for thread in threads:
            thread.join(40)
