"""``pfserve stub-llm`` as a process of a test's own: the model that connections lead to."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from eventually import eventually


@contextlib.contextmanager
def stub_model(log: Path, *options: str) -> Iterator[str]:
    """The URL of a stub that runs for as long as the block."""
    command = [sys.executable, "-m", "pfserve", "stub-llm", "--port", "0", *options]
    with log.open("wb") as out:
        stub = subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT)
    try:

        def url() -> str:
            words = log.read_text().split()
            return next(word.rstrip(".,;") for word in words if word.startswith("http://127.0.0.1"))

        yield eventually(url, within_s=10, why="the stub should say where it is")
    finally:
        stub.send_signal(signal.SIGTERM)
        stub.wait(10)
