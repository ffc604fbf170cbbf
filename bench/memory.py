"""P6: what another worker costs, what idle connections cost, and what requests leave. PSS of the process tree."""

from __future__ import annotations

import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from . import systems, wrk
from .budgets import judge
from .drift import drift
from .part import Part, Say, Settings
from .series import Series, slope
from .server import Launch, Server
from .throughput import BODY

SIZES = (1, 2, 4)  # workers
CONNECTIONS = 10_000
MOST_ROUNDS = 3  # memory hardly varies
LOAD_S = 2
SETTLE_S = 1.0
MB = 1e6


def memory(settings: Settings, say: Say) -> Part:
    """P6: all three clauses, for the async echo flow."""
    raise_file_limit()
    flow = settings.examples / "async-echo"
    rounds = min(settings.rounds, MOST_ROUNDS)
    with tempfile.TemporaryDirectory() as home:
        copy = shutil.copytree(flow, Path(home) / flow.name)
        sizes = [
            (systems.PFSERVE, lambda workers: systems.pfserve(flow, workers)),
            (systems.HANDWRITTEN, lambda workers: systems.handwritten("async", flow, workers)),
            (systems.FLASK, lambda workers: systems.promptflow(settings.promptflow(), "flask", copy, workers)),
        ]
        per_worker = [_per_worker(system, launch, rounds, say) for system, launch in sizes]
    crowds = [systems.pfserve(flow, 2), systems.handwritten("async", flow, 2)]
    idle = [_idle(launch, rounds, say) for launch in crowds]
    grown = drift(settings, say)
    verdicts = (judge("P6.worker", per_worker[0]), judge("P6.idle", idle[0]), judge("P6.drift", grown))
    return Part((*per_worker, *idle, grown), verdicts)


def _per_worker(system: str, launch: Callable[[int], Launch], rounds: int, say: Say) -> Series:
    samples = []
    for _ in range(rounds):
        sizes = {workers: _after_load_mb(launch(workers)) for workers in SIZES}
        samples.append(slope(sizes))
        say(f"memory  {system}: " + ", ".join(f"{size:.1f} MB with {workers}" for workers, size in sizes.items()))
    return Series(system, "PSS of another worker", "MB", tuple(samples))


def _after_load_mb(launch: Launch) -> float:
    with Server(launch) as server:
        _load(server)
        return server.pss_bytes() / MB


def _idle(launch: Launch, rounds: int, say: Say) -> Series:
    samples = []
    for _ in range(rounds):
        with Server(launch) as server:
            _load(server)
            before_bytes = server.pss_bytes()
            after_bytes = _with_crowd(server)
        samples.append((after_bytes - before_bytes) / MB)
        say(f"memory  {launch.system}: {samples[-1]:.1f} MB for {CONNECTIONS:,} idle connections")
    return Series(launch.system, f"PSS of {CONNECTIONS:,} idle connections", "MB", tuple(samples))


def _with_crowd(server: Server) -> int:
    program = Path(__file__).parent / "crowd.py"
    argv = [sys.executable, str(program), str(server.port), str(CONNECTIONS), BODY]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as crowd:
        assert crowd.stdin is not None
        assert crowd.stdout is not None
        if crowd.stdout.readline() != f"held {CONNECTIONS}\n":
            raise RuntimeError(f"{server.launch.system} did not hold {CONNECTIONS:,} connections:\n{server.log_tail()}")
        time.sleep(SETTLE_S)
        held_bytes = server.pss_bytes()
        crowd.stdin.close()
        if crowd.wait(60) != 0:
            raise RuntimeError(f"{server.launch.system} did not keep {CONNECTIONS:,} connections")
    return held_bytes


def _load(server: Server) -> None:
    server.wait_ready()
    wrk.run(server.address, wrk.Load(16, LOAD_S, BODY))
    time.sleep(SETTLE_S)


def raise_file_limit() -> None:
    """Allow ourselves, and so all that we start, as many open files as the system lets us."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
