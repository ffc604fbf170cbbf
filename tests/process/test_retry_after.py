"""``Retry-After`` tells the truth, within a factor of two: measured against what really ends when."""

from __future__ import annotations

import contextlib
import http.client
import statistics
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from serving import Server, serving, write_flow

SLEEPS = """\
import asyncio
from promptflow.core import tool

@tool
async def work(text: str) -> str:
    await asyncio.sleep(float(text))
    return text
"""
PLACES = 4
TAKES_S = 1.2


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    flow = write_flow(tmp_path / "flow", SLEEPS)
    with serving(flow, "--workers", "2", "--max-concurrent-requests", str(PLACES)) as running:
        yield running


def ask(server: Server, text: str) -> tuple[int, float]:
    """The status, and ``retry-after-ms`` in seconds."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)
    with contextlib.closing(connection):
        connection.request("POST", "/score", f'{{"text": "{text}"}}')
        response = connection.getresponse()
        response.read()
        return response.status, int(response.headers.get("retry-after-ms", 0)) / 1000


class Filled:
    """Requests that fill the instance, and the moments at which they end."""

    def __init__(self, server: Server) -> None:
        self.ends_s: list[float] = []
        self._server = server
        self._threads: list[threading.Thread] = []

    def add(self, rounds: int, after_s: float = 0.0) -> None:
        def run() -> None:
            time.sleep(after_s)  # when it comes is what the test is about
            for _ in range(rounds):
                while ask(self._server, str(TAKES_S))[0] == 429:  # who asks for what is told may have been quicker
                    time.sleep(0.01)
                self.ends_s.append(time.monotonic())

        self._threads.append(threading.Thread(target=run))
        self._threads[-1].start()

    def wait(self) -> None:
        for thread in self._threads:
            thread.join(30)


def refusals(server: Server, filled: Filled, until_s: float) -> float:
    """Ask again and again; the median of what is told by what is true, in a logarithmic measure."""
    told: list[tuple[float, float]] = []
    while time.monotonic() < until_s:
        asked_s = time.monotonic()
        status, after_s = ask(server, "0")
        if status == 429:
            told.append((asked_s, after_s))
        time.sleep(0.03)  # between two looks
    filled.wait()
    ratios = [after_s / (min(end for end in filled.ends_s if end > at_s) - at_s) for at_s, after_s in told
              if any(end > at_s + 0.05 for end in filled.ends_s)]  # fmt: skip
    assert len(ratios) > 20, told
    return statistics.median(ratios)


def test_of_a_burst_after_silence(server: Server) -> None:
    assert ask(server, str(TAKES_S))[0] == 200
    time.sleep(2)  # nothing happens: that must not count as slowness
    filled = Filled(server)
    began_s = time.monotonic()
    for _ in range(PLACES):
        filled.add(1)
    assert 0.5 < refusals(server, filled, began_s + TAKES_S) < 2.0


def test_of_requests_that_come_evenly(server: Server) -> None:
    filled = Filled(server)
    began_s = time.monotonic()
    for number in range(PLACES):
        filled.add(5, after_s=number * TAKES_S / PLACES)
    assert 0.5 < refusals(server, filled, began_s + 5 * TAKES_S) < 2.0
