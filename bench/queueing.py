"""P9: how long requests wait for a slot: beside one queue with as many servers, promptflow, and no hand-over."""

from __future__ import annotations

import heapq
import itertools
import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import msgspec

from . import flows, systems
from .budgets import judge
from .part import Part, Say, Settings
from .series import Series
from .server import Launch, Server
from .throughput import BODY

SERVICE_S = 0.1
SLOTS = 8
LAYOUTS = ((4, 2), (2, 4), (8, 1))  # workers, threads
LOADS = (0.5, 0.8)
CONNECTIONS = 64
LEAST_S = 20.0
FACTOR, ALLOWANCE_S = 1.25, 0.003
LATE_S = 0.002  # on average: above, the figure is the generator's and not the server's

ALONE = "pfserve, no hand-over"
IDEAL = "one queue, simulated"
FULL = 1000  # C: nobody is refused


class Cell(msgspec.Struct, frozen=True):
    """One system in one layout under one load."""

    system: str
    layout: tuple[int, int]
    load: float

    def quantity(self, what: str) -> str:
        """The name of a series."""
        return f"{self.layout[0]}x{self.layout[1]} at {self.load:.0%}: {what}"


class Waits(msgspec.Struct, frozen=True):
    """What one run saw, in seconds."""

    mean_s: float
    p99_s: float
    late_s: float  # of the generator, on average
    failures: int


def arrivals(load: float, seconds: float, seed: int) -> list[float]:
    """The points of a Poisson process that keeps SLOTS servers busy for the part ``load`` of their time."""
    chance = random.Random(seed)
    gaps = (chance.expovariate(load * SLOTS / SERVICE_S) for _ in itertools.count())
    return list(itertools.takewhile(lambda time_s: time_s < seconds, itertools.accumulate(gaps)))


def simulated_waits(times_s: Sequence[float], servers: int, service_s: float) -> list[float]:
    """How long each waits in one first-in-first-out queue before one of the servers, which takes ``service_s``."""
    free_at = [0.0] * servers
    waits = []
    for time_s in times_s:
        starts_s = max(time_s, heapq.heappop(free_at))
        waits.append(starts_s - time_s)
        heapq.heappush(free_at, starts_s + service_s)
    return waits


def queueing(settings: Settings, say: Say) -> Part:
    """P9: every layout under every load."""
    seconds = max(LEAST_S, settings.seconds)
    found: dict[Cell, list[Waits]] = {}
    overs: dict[float, list[float]] = {load: [] for load in LOADS}
    for round_number in range(1, settings.rounds + 1):
        for load in LOADS:
            times_s = arrivals(load, seconds, seed=round_number)
            ideal = _waits([(wait_s + SERVICE_S, 200, 0.0) for wait_s in simulated_waits(times_s, SLOTS, SERVICE_S)])
            found.setdefault(Cell(IDEAL, (1, SLOTS), load), []).append(ideal)
            worst = 0.0
            for cell, launch in _launches(settings, load):
                waits = _measure(launch, cell, times_s, say, round_number)
                found.setdefault(cell, []).append(waits)
                if cell.system == systems.PFSERVE:
                    worst = max(worst, waits.mean_s / (FACTOR * ideal.mean_s + ALLOWANCE_S))
            overs[load].append(worst)
    series = [series for cell, waits in found.items() for series in _series(cell, waits)]
    verdicts = [
        judge(f"P9.{load:.0%}", Series(systems.PFSERVE, f"worst layout at {load:.0%}", "x", tuple(over)))
        for load, over in overs.items()
    ]
    return Part(tuple(series), tuple(verdicts), tuple(doubts(found)))


def _launches(settings: Settings, load: float) -> list[tuple[Cell, Launch]]:
    made = []
    for workers, threads in LAYOUTS:
        for system in (systems.PFSERVE, ALONE):
            launch = systems.pfserve(Path("{flow}"), workers, FULL, "--threads", str(threads))
            environment = {} if system == systems.PFSERVE else {"PFSERVE_HAND_OFF": "off"}
            launch = msgspec.structs.replace(launch, system=system, environment=environment)
            made.append((Cell(system, (workers, threads), load), launch))
        flask = systems.promptflow(settings.promptflow(), "flask", Path("{flow}"), workers, threads)
        made.append((Cell(systems.FLASK, (workers, threads), load), flask))
    return made


def _measure(launch: Launch, cell: Cell, times_s: Sequence[float], say: Say, round_number: int) -> Waits:
    with tempfile.TemporaryDirectory() as home:
        flow = flows.resting(Path(home) / "flow", SERVICE_S)
        with Server(_with_flow(launch, flow)) as server:
            server.wait_ready()
            for _ in range(2 * SLOTS):  # so that whoever answers first does not do it for the first time
                server.ask("POST", "/score", BODY.encode())
            waits = _waits(_visits(server, times_s))
        shutil.rmtree(flow, ignore_errors=True)
    wait = f"mean wait {waits.mean_s * 1e3:.1f} ms, p99 {waits.p99_s * 1e3:.0f} ms"
    say(f"{cell.quantity('wait')} {round_number}  {cell.system}: {wait}")
    return waits


def _with_flow(launch: Launch, flow: Path) -> Launch:
    put = {"{flow}": str(flow), ".": str(flow.parent)}
    environment = {name: put.get(value, value) for name, value in launch.environment.items()}
    argv = tuple(put.get(part, part) for part in launch.argv)
    return msgspec.structs.replace(
        launch, argv=argv, environment=environment, folder=str(flow) if launch.folder else None
    )


def _visits(server: Server, times_s: Sequence[float]) -> list[tuple[float, int, float]]:
    program = Path(__file__).parent / "visitors.py"
    done = subprocess.run(
        [sys.executable, str(program), str(server.port), str(CONNECTIONS), BODY],
        input=msgspec.json.encode(times_s),
        env={**os.environ},
        check=True,
        stdout=subprocess.PIPE,
    )
    return msgspec.json.decode(done.stdout, type=list[tuple[float, int, float]])


def _waits(visits: Sequence[tuple[float, int, float]]) -> Waits:
    """Waits from latencies: what is above the time that the node rests."""
    waits = [latency_s - SERVICE_S for latency_s, _, _ in visits]
    return Waits(
        statistics.fmean(waits),
        statistics.quantiles(waits, n=100, method="inclusive")[98],
        statistics.fmean(late_s for _, _, late_s in visits),
        sum(status != 200 for _, status, _ in visits),
    )


def _series(cell: Cell, waits: Sequence[Waits]) -> tuple[Series, ...]:
    means, tails = tuple(one.mean_s * 1e3 for one in waits), tuple(one.p99_s * 1e3 for one in waits)
    return (
        Series(cell.system, cell.quantity("mean wait"), "ms", means),
        Series(cell.system, cell.quantity("p99 wait"), "ms", tails),
    )


def doubts(found: dict[Cell, list[Waits]]) -> list[str]:
    """What makes figures unbelievable: failed requests, a generator that was late.

    gunicorn closes idle connections while requests are on their way to it: no verdict rests on promptflow's waits.
    """
    told = []
    for cell, waits in found.items():
        failures, late_s = sum(one.failures for one in waits), max(one.late_s for one in waits)
        if failures and cell.system != systems.FLASK:
            told.append(f"{cell.quantity('waits')}, {cell.system}: {failures} requests failed")
        if late_s > LATE_S:
            told.append(f"{cell.quantity('waits')}, {cell.system}: requests went out {late_s * 1e3:.1f} ms late")
    return told
