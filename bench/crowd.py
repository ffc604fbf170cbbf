"""Clients that ask once and stay: idle keep-alive connections. A program of its own, so that its memory is not ours.

    python crowd.py PORT COUNT BODY

Prints ``held COUNT`` when every connection has had its answer, and keeps them open until its stdin ends. Then it asks
once more on each, and ends with 0 only if all are answered: they really were kept.
"""

from __future__ import annotations

import socket
import sys


def connect(port: int, index: int) -> socket.socket:
    """A connection. Its address is one of four: a single one could run out of ports."""
    return socket.create_connection(("127.0.0.1", port), timeout=10, source_address=(f"127.0.0.{2 + index % 4}", 0))


def ask(connection: socket.socket, body: bytes) -> None:
    """One request and its answer. Ends the program if it is not 200."""
    head = f"Host: localhost\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n"
    connection.sendall(f"POST /score HTTP/1.1\r\n{head}\r\n".encode() + body)
    answer = connection.recv(65536)
    if not answer.startswith(b"HTTP/1.1 200 "):
        raise SystemExit(f"{connection.getsockname()}: {answer[:200]!r}")


def main(port: str, count: str, body: str) -> None:
    """Open them one after the other, say so, wait, and see that they are still there."""
    held = []
    for index in range(int(count)):
        held.append(connect(int(port), index))
        ask(held[-1], body.encode())
    print(f"held {len(held)}", flush=True)
    sys.stdin.read()
    for connection in held:
        ask(connection, body.encode())


if __name__ == "__main__":
    main(*sys.argv[1:])
