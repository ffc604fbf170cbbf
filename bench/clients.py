"""Clients in a closed loop: each asks, waits for the answer, asks again. A program of its own, to tell its CPU apart.

    python clients.py PORT CLIENTS SPREAD_S LASTS_S BODY

The clients begin one after the other within SPREAD_S, so that they do not march in step. Nobody asks after LASTS_S, and
every answer is waited for. Prints a JSON list of [asked, answered, status]: seconds since the start; status 0 is
no answer.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time

PATIENCE_S = 120.0
Asked = tuple[float, float, int]


async def ask(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: bytes) -> tuple[int, bool]:
    """One request: the status of its answer, and whether the connection stays."""
    writer.write(request)
    lines = (await reader.readuntil(b"\r\n\r\n")).decode().lower().split("\r\n")
    lengths = [int(line.partition(":")[2]) for line in lines if line.startswith("content-length:")]
    await reader.readexactly(lengths[0])
    return int(lines[0].split()[1]), "connection: close" not in lines


async def client(port: int, request: bytes, begin_s: float, end_s: float) -> list[Asked]:
    """One client. It connects anew when the server has closed, as promptflow Flask does after each answer."""
    asked: list[Asked] = []
    await asyncio.sleep(begin_s - time.monotonic())
    writer = None
    while (now_s := time.monotonic()) < end_s:
        try:
            if writer is None:
                reader, writer = await asyncio.open_connection("127.0.0.1", port)
            async with asyncio.timeout(PATIENCE_S):
                status, stays = await ask(reader, writer, request)
        except (OSError, EOFError, IndexError):
            status, stays = 0, False
            await asyncio.sleep(0.1)
        if writer is not None and not stays:
            writer.close()
            writer = None
        asked.append((now_s, time.monotonic(), status))
    return asked


async def crowd(port: int, clients: int, spread_s: float, lasts_s: float, body: str) -> list[Asked]:
    """All of them."""
    head = f"Host: localhost\r\nContent-Type: application/json\r\nContent-Length: {len(body.encode())}\r\n"
    request = f"POST /score HTTP/1.1\r\n{head}\r\n{body}".encode()
    start_s = time.monotonic()
    begins = (start_s + spread_s * number / clients for number in range(clients))
    per_client = await asyncio.gather(*(client(port, request, begin, start_s + lasts_s) for begin in begins))
    return [(a - start_s, b - start_s, status) for asked in per_client for a, b, status in asked]


if __name__ == "__main__":
    port, clients, spread_s, lasts_s, body = sys.argv[1:]
    print(json.dumps(asyncio.run(crowd(int(port), int(clients), float(spread_s), float(lasts_s), body))))
