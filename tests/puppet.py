"""A server whose every answer a test decides: plain sockets and threads, honest HTTP or not."""

from __future__ import annotations

import contextlib
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterator

Act = Callable[[socket.socket, bytes], bool]  # given a whole request; tells whether the connection stays

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


def answering(data: bytes) -> Act:
    """Always the same bytes; the connection stays."""

    def act(peer: socket.socket, request: bytes) -> bool:
        peer.sendall(data)
        return True

    return act


def reset(peer: socket.socket) -> bool:
    """The connection ends with a reset."""
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    return False


class Puppet:
    """Listens on ``port``, any if it is 0; remembers every request."""

    def __init__(self, act: Act, tls: ssl.SSLContext | None = None, port: int = 0) -> None:
        self._act = act
        self._tls = tls
        self._listener = socket.create_server(("127.0.0.1", port), backlog=512)
        self.port: int = self._listener.getsockname()[1]
        self.requests: list[bytes] = []
        self.connections = 0

    @property
    def url(self) -> str:
        return f"{'https' if self._tls else 'http'}://127.0.0.1:{self.port}"

    def serve(self) -> None:
        with contextlib.suppress(OSError):  # closed by the test's end
            while True:
                peer, _ = self._listener.accept()
                self.connections += 1
                threading.Thread(target=self._converse, args=(peer,), daemon=True).start()

    def close(self) -> None:
        with contextlib.suppress(OSError):  # closed before
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _converse(self, peer: socket.socket) -> None:
        with contextlib.suppress(OSError), self._tls.wrap_socket(peer, server_side=True) if self._tls else peer as peer:
            while request := _request(peer):
                self.requests.append(request)
                if not self._act(peer, request):
                    return


def _request(peer: socket.socket) -> bytes:
    """One whole request; nothing if the client is gone."""
    data = b""
    while b"\r\n\r\n" not in data:
        if not (piece := peer.recv(65536)):
            return b""
        data += piece
    head, _, body = data.partition(b"\r\n\r\n")
    lengths = [int(line[15:]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")]
    while lengths and len(body) < lengths[0]:
        body += peer.recv(65536)
    return head + b"\r\n\r\n" + body


@contextlib.contextmanager
def puppet(act: Act, tls: ssl.SSLContext | None = None, port: int = 0) -> Iterator[Puppet]:
    """One that serves, and is gone afterwards."""
    server = Puppet(act, tls, port)
    thread = threading.Thread(target=server.serve, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.close()
        thread.join(5)
