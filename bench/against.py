"""Two installations of pfserve in turn: the one that runs this, and an older one. No peers, so little is needed."""

from __future__ import annotations

import math
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path

import msgspec

from . import contest, flows, machine, picture, systems, wrk
from .budgets import Sense
from .change import MISTAKEN, Change, paired
from .coldstart import POLL_S
from .contest import CPU_PER_REQUEST, FOREIGN_LIMIT, P50, QUANTITIES, REQUESTS_PER_S, WARM_UP_S, Sample
from .memory import MB
from .mistake import Mistake
from .part import Say
from .series import Series
from .server import Launch, Server, free_port
from .throughput import BODY, WORKERS, unseen
from .upstream import connections_option, stub_model
from .wrk import Load

LEAST = 0.05
ROUNDS = 15
TURNS = (0, 1, 1, 0, 0, 1)  # of the two, in a round: a machine that gets slower harms neither more
CHAIN = 41  # nodes
BASELINE = "baseline"
READY, MEMORY = "cold start", "PSS after load"
WHICH = """
import importlib.metadata, platform, pfserve
packages = [f"{name} {importlib.metadata.version(name)}" for name in ("aiohttp", "uvloop")]
print(", ".join([f"{pfserve.__version__} at {pfserve.__path__[0]}", f"Python {platform.python_version()}", *packages]))
"""


class Run(msgspec.Struct, frozen=True):
    """One server, started for one round."""

    ready_s: float
    samples: tuple[Sample, ...] = ()
    pss_bytes: int = 0

    def figure(self, quantity: str) -> float:
        """One of SENSES; of several loads the middle one, so that a stall is nobody's."""
        if quantity == READY:
            return self.ready_s
        if quantity == MEMORY:
            return self.pss_bytes / MB
        return statistics.median(map(QUANTITIES[quantity][1], self.samples))


SENSES = {
    REQUESTS_PER_S: Sense.AT_LEAST,
    CPU_PER_REQUEST: Sense.AT_MOST,
    P50: Sense.AT_MOST,
    MEMORY: Sense.AT_MOST,
    READY: Sense.AT_MOST,
}
UNITS = {READY: "s", MEMORY: "MB"}


class Match(msgspec.Struct, frozen=True):
    """What both serve, and what of it is compared."""

    title: str
    launch: Launch
    connections: int  # of the load; 0: no load
    quantities: tuple[str, ...]
    body: str = BODY
    probe: Callable[[], str] = unseen


class Gate(msgspec.Struct, frozen=True):
    """What was found."""

    machine: dict[str, str]
    rounds: int
    seconds: int
    changes: tuple[Change, ...]
    series: tuple[Series, ...]
    doubts: tuple[str, ...]


LOADED = REQUESTS_PER_S, CPU_PER_REQUEST
NUMBERS = ("P1", "P2", "P5", "P7", "P13", "P15")
Runs = tuple[list[Run], list[Run]]  # ours and the baseline's, one a round


def against(python: Path, numbers: Sequence[str], examples: Path, rounds: int, seconds: int, *, say: Say) -> Gate:
    """Measure.

    Raises:
        RuntimeError: a server does not start, answers wrongly or fails requests.
        Mistake: the interpreter has no pfserve, or so few rounds could show nothing.
    """
    with ExitStack() as stack:
        home = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        facts = {**machine.facts(), "this": _which(Path(sys.executable), home), BASELINE: _which(python, home)}
        helpers = [stack.enter_context(stub_model(home, latency_ms=0))] if "P13" in numbers else []
        matches = [_in(home, match) for number in numbers for match in _matches(number, home, examples)]
        lines = sum(len(match.quantities) for match in matches)
        if rounds < (least := least_rounds(lines)):
            raise Mistake(
                f"--rounds {rounds} can show nothing of {lines} lines: at least {least}, or fewer lines by --only"
            )
        held = [(match, _play(match, python, rounds, seconds, helpers=helpers, say=say)) for match in matches]
    changes = [change for match, runs in held for change in changes_of(match, runs, MISTAKEN / lines)]
    series = [
        series for match, runs in held for quantity in match.quantities for series in _pair(match, runs, quantity)
    ]
    doubts = [doubt for match, runs in held for doubt in doubts_of(match, runs)]
    return Gate(facts, rounds, seconds, tuple(changes), tuple(series), tuple(doubts))


def least_rounds(lines: int) -> int:
    """How often a coin must show heads to convince, with so many coins."""
    return math.ceil(math.log2(lines / MISTAKEN))


def _which(python: Path, home: Path) -> str:
    """Version and place of its pfserve. Elsewhere than here: the current folder would hide what is installed."""
    done = subprocess.run([python, "-c", WHICH], cwd=home, capture_output=True, text=True, timeout=60, check=False)
    if done.returncode != 0:
        raise Mistake(f"{python} has no pfserve: {done.stderr.strip().rpartition(chr(10))[2]}")
    return done.stdout.strip()


def _in(home: Path, match: Match) -> Match:
    """In a folder that has no pfserve of its own, which would be served instead of what is installed."""
    return msgspec.structs.replace(match, launch=msgspec.structs.replace(match.launch, folder=str(home)))


def _matches(number: str, home: Path, examples: Path) -> list[Match]:
    """What is played for a budget number."""
    echoes = {kind: examples / f"{kind}-echo" for kind in ("async", "sync")}
    match number:
        case "P1":
            return [_match(f"{kind} echo", flow, WORKERS, 16, (*LOADED, MEMORY)) for kind, flow in echoes.items()]
        case "P2":
            return [_match("one connection", echoes["async"], 1, 1, (P50,))]
        case "P5":
            chains = {kind: flows.chain(home / f"{kind}-chain", kind, CHAIN) for kind in flows.CHAIN_FILES}
            return [_match(f"{kind} x{CHAIN}", flow, 1, 16, (CPU_PER_REQUEST,)) for kind, flow in chains.items()]
        case "P7":
            return [_match("async echo", echoes["async"], WORKERS, 0, (READY,))]
        case "P13":
            return [_match("model calls", flows.model(home / "model"), WORKERS, 16, LOADED, *connections_option(home))]
        case _:
            match = _match("5 MB picture", flows.picture(home / "picture"), 1, 1, (P50,))
            return [msgspec.structs.replace(match, body=picture.body(), probe=picture.body)]


def _match(title: str, flow: Path, workers: int, connections: int, quantities: tuple[str, ...], *more: str) -> Match:
    return Match(title, systems.pfserve(flow, workers, 64, *more), connections, quantities)


def _play(match: Match, python: Path, rounds: int, seconds: int, *, helpers: Sequence[Server], say: Say) -> Runs:
    """Every round starts both anew, as a process keeps its luck; who is first changes. The first one does not count."""
    launches = [_here(match.launch, Path(sys.executable), systems.PFSERVE), _here(match.launch, python, BASELINE)]
    load = Load(match.connections, math.ceil(2 * seconds / len(TURNS)), match.body)
    runs: Runs = [], []
    for number in range(rounds + 1):
        order = launches if number % 2 else launches[::-1]
        found = _round(order, match, load, helpers)
        if number == 0:
            continue
        for launch, kept in zip(launches, runs, strict=True):
            kept.append(found[launch.system])
        say(f"{match.title} {number}/{rounds}  " + ", ".join(_said(quantity, runs) for quantity in match.quantities))
    return runs


def _here(launch: Launch, python: Path, system: str) -> Launch:
    """The same by another interpreter, with an admin port of its own."""
    argv = (str(python), *launch.argv[1:], "--admin-port", str(free_port()))
    return msgspec.structs.replace(launch, argv=argv, system=system)


def _round(order: Sequence[Launch], match: Match, load: Load, helpers: Sequence[Server]) -> dict[str, Run]:
    with ExitStack() as stack:
        servers, ready_s = [], {}
        for launch in order:
            servers.append(stack.enter_context(Server(launch)))
            ready_s[launch.system] = servers[-1].wait_ready(every_s=POLL_S)
        contest.check_answers(servers, match.probe())
        if not match.connections:
            return {system: Run(taken_s) for system, taken_s in ready_s.items()}
        for server in servers:
            wrk.run(server.address, msgspec.structs.replace(load, seconds=WARM_UP_S))
        samples: dict[str, list[Sample]] = {launch.system: [] for launch in order}
        for place in TURNS:
            samples[order[place].system].append(_measured(servers[place], load, helpers))
        return {
            server.launch.system: Run(
                ready_s[server.launch.system], tuple(samples[server.launch.system]), server.pss_bytes()
            )
            for server in servers
        }


def _measured(server: Server, load: Load, helpers: Sequence[Server]) -> Sample:
    sample = contest.measure(server, load, helpers)
    if failures := sample.reading.failures:
        raise RuntimeError(f"{server.launch.system}: {failures} requests failed:\n{server.log_tail()}")
    return sample


def _said(quantity: str, runs: Runs) -> str:
    ours, theirs = (kept[-1].figure(quantity) for kept in runs)
    return f"{quantity} {ours / theirs:.3f}"


def changes_of(match: Match, runs: Runs, level: float) -> list[Change]:
    """Every quantity of a match."""
    return [
        paired(ours.quantity, SENSES[quantity], ours, theirs, level=level, least=LEAST)
        for quantity in match.quantities
        for ours, theirs in [_pair(match, runs, quantity)]
    ]


def _pair(match: Match, runs: Runs, quantity: str) -> tuple[Series, Series]:
    title = f"{match.title}: {quantity}"
    unit = UNITS[quantity] if quantity in UNITS else QUANTITIES[quantity][0]
    ours, theirs = (tuple(run.figure(quantity) for run in kept) for kept in runs)
    return Series(systems.PFSERVE, title, unit, ours), Series(BASELINE, title, unit, theirs)


def doubts_of(match: Match, runs: Runs) -> list[str]:
    """A busy machine hits both alike, so it takes away sight and gives no verdict."""
    foreign = [sample.foreign_cores for kept in runs for run in kept for sample in run.samples]
    if not foreign or statistics.median(foreign) <= FOREIGN_LIMIT:
        return []
    return [f"{match.title}: others used {statistics.median(foreign):.2f} cores of this machine meanwhile"]
