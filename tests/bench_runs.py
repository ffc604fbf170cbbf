"""Trials by the command line, each a process of its own."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bench.blocks import Kind
from bench.recorder import read
from bench.sample import LAYOUT, Sample
from puppet import Act, puppet

CHECKOUT = Path(__file__).parents[1]
DATA = ("--data", '{"text": "{{seq}}"}')


class Run:
    """A started ``pfserve-bench run``."""

    def __init__(self, out: Path, *args: str, before: Callable[[], None] | None = None) -> None:
        self.out = out
        argv = (sys.executable, "-m", "bench", "run", *args, "--out", str(out), "--format", "json")
        self.process = subprocess.Popen(
            argv,
            cwd=CHECKOUT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
            preexec_fn=before,  # noqa: PLW1509  (the threads hold nothing that it needs)
        )

    def finish(self, within_s: float = 60) -> tuple[int, Any]:
        """The exit code and the summary."""
        stdout, self.stderr = self.process.communicate(timeout=within_s)
        assert self.process.returncode in (0, 1), self.stderr.decode()
        return self.process.returncode, json.loads(stdout)

    @property
    def samples(self) -> list[Sample]:
        """Everything recorded so far."""
        [path] = self.out.glob("*.pftrial")
        blocks = (block for block in read(path).blocks() if block.kind == Kind.SAMPLES)
        return [Sample._make(fields) for block in blocks for fields in LAYOUT.iter_unpack(block.payload)]


@pytest.fixture
def load(tmp_path):
    """Starts runs, and ends them with the test."""
    started: list[Run] = []

    def start(*args: str, **kwargs: Any) -> Run:
        started.append(Run(tmp_path / f"trials{len(started)}", *args, **kwargs))
        return started[-1]

    yield start
    for run in started:
        if run.process.poll() is None:
            run.process.send_signal(signal.SIGTERM)
        run.process.communicate(timeout=20)


def outcome_of(load: Callable[..., Run], act: Act, *args: str) -> dict[str, int]:
    """What five requests came to: outcomes, causes and statuses that are not zero."""
    with puppet(act) as server:
        _, summary = load(server.url, *DATA, "--users", "1", "--count", "5", *args).finish()
    counts = summary["outcomes"] | summary["causes"] | summary["statuses"]
    return {name: count for name, count in counts.items() if count}


def refused(load: Callable[..., Run], *args: str) -> str:
    """The sentence of a run that does not begin."""
    run = load(*args)
    _, stderr = run.process.communicate(timeout=30)
    assert run.process.returncode == 2, stderr.decode()
    assert not run.out.exists()
    assert b"Traceback" not in stderr
    return stderr.decode()
