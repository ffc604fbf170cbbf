"""Clients that ask once and stay: idle keep-alive connections. A program of its own, so that its memory is not ours.

    python crowd.py PORT COUNT BODY

Prints ``held COUNT`` when every connection has had its answer, and keeps them open until its stdin ends.
"""

from __future__ import annotations

import socket
import sys


def join(port: int, index: int, body: bytes) -> socket.socket:
    """One connection that has had one answer. Its address is one of four: a single one could run out of ports."""
    connection = socket.create_connection(
        ("127.0.0.1", port), timeout=10, source_address=(f"127.0.0.{2 + index % 4}", 0)
    )
    head = f"Host: localhost\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n"
    connection.sendall(f"POST /score HTTP/1.1\r\n{head}\r\n".encode() + body)
    answer = connection.recv(65536)
    if not answer.startswith(b"HTTP/1.1 200 "):
        raise SystemExit(f"connection {index}: {answer[:200]!r}")
    return connection


def main(port: str, count: str, body: str) -> None:
    """Open them all, one after the other, say so, and wait."""
    held = [join(int(port), index, body.encode()) for index in range(int(count))]
    print(f"held {len(held)}", flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main(*sys.argv[1:])
