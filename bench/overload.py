"""P10: twice as many requests as fit: what is still served, how soon the others are refused, whether /health answers.

The peak is that of a closed loop with as many users as may be inside: no place is ever empty. Poisson arrivals at twice
that rate leave some 2 % of the places empty (Erlang's loss formula), so 0.95 of the peak asks for nearly all there is.
"""

from __future__ import annotations

import contextlib
import http.client
import math
import os
import statistics
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec

from . import flows, proc, systems
from .budgets import Verdict, judge
from .contest import FOREIGN_LIMIT
from .part import Part, Say, Settings
from .recorder import read
from .schedule import Closed, Load, Open, Segment, Shape, Spacing, Span
from .series import Series, ratio
from .server import Launch, Server
from .throughput import BODY, WORKERS
from .trial import Summary, Trial, run, summarise

WAIT_S = 0.1  # of the async and of the sleeping flow
PLACES = 64  # C; in the sleeping flow also the slots, so that the gate refuses and nobody waits in line
CAPACITY, OVERLOAD = 0.95, 2.0  # of the peak
WARM_UP_S = 2.0
LEAST_S = 10.0
LATE_S, LATE_SHARE = 0.001, 0.25  # of the generator, in the p99 of refusals: more than both, and it is not the server's
PROBE_EVERY_S = 0.05
PROBE_TIMEOUT_S = 10.0
COMPUTED = 300_000  # numbers a request: tens of milliseconds of Python
COMPUTING_THREADS = (1, 4)


class Shot(msgspec.Struct, frozen=True):
    """One trial. A time is None where no request came to it."""

    goodput_per_s: float
    accepted_p99_s: float | None
    refused_p99_s: float | None
    late_p99_s: float  # of the generator
    health_p99_s: float
    foreign_cores: float
    doubts: tuple[str, ...]


class Round(msgspec.Struct, frozen=True):
    """One server, one after the other: full but not too full, at capacity, at twice the peak."""

    peak: Shot
    capacity: Shot
    overload: Shot


def overload(settings: Settings, say: Say) -> Part:
    """P10: an async flow, one that sleeps in threads, one that computes in threads."""
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        quiet, sleeping = flows.awaiting(home / "async", WAIT_S), flows.resting(home / "sleeping", WAIT_S)
        threads = "--threads", str(PLACES // WORKERS)
        waiting = {
            "async": _rounds("async", systems.pfserve(quiet, WORKERS, PLACES), PLACES, settings, say),
            "sleeping": _rounds(
                "sleeping", systems.pfserve(sleeping, WORKERS, PLACES, *threads), PLACES, settings, say
            ),
        }
        computing = _computing(flows.computing(home / "computing", COMPUTED), settings, say)
    held = {**waiting, **{f"computing, M={threads}": rounds for threads, rounds in computing.items()}}
    verdicts = [verdict for title, rounds in waiting.items() for verdict in _waiting_verdicts(title, rounds)]
    series = [one for title, rounds in held.items() for one in _series(title, rounds)]
    voids = [doubt for title, rounds in held.items() for doubt in doubts(title, rounds)]
    return Part(tuple(series), (*verdicts, *_computing_verdicts(computing)), tuple(voids))


def _computing(flow: Path, settings: Settings, say: Say) -> dict[int, list[Round]]:
    """One worker, so that a core is left to those who ask: the interpreter's lock is what it is about."""
    found = {}
    for threads in COMPUTING_THREADS:
        places = 2 * threads
        launch = systems.pfserve(flow, 1, places, "--threads", str(threads))
        found[threads] = _rounds(f"computing, M={threads}", launch, places, settings, say)
    return found


def _rounds(title: str, launch: Launch, places: int, settings: Settings, say: Say) -> list[Round]:
    seconds = max(LEAST_S, settings.seconds)
    rounds = []
    with Server(launch) as server:
        server.wait_ready()
        for number in range(1, settings.rounds + 1):
            peak = _shot(server, Closed(users=places), seconds, number)
            at_capacity = _shot(server, _poisson(CAPACITY * peak.goodput_per_s, seconds), seconds, number)
            over = _shot(server, _poisson(OVERLOAD * peak.goodput_per_s, seconds), seconds, number)
            rounds.append(Round(peak, at_capacity, over))
            say(
                f"overload {number}/{settings.rounds}  {title}: {over.goodput_per_s:.1f} of {peak.goodput_per_s:.1f} "
                f"requests/s, p99 {_ms(over.accepted_p99_s):.1f} ms ({_ms(at_capacity.accepted_p99_s):.1f} at "
                f"capacity), refused {_ms(over.refused_p99_s):.2f} ms, /health {_ms(over.health_p99_s):.1f} ms"
            )
    return rounds


def _poisson(rate: float, seconds: float) -> Open:
    return Open(Shape((Segment(WARM_UP_S + seconds, rate, rate),)), Spacing.POISSON)


def _shot(server: Server, load: Load, seconds: float, seed: int) -> Shot:
    busy_before_s, known_before_s, began_s = proc.machine_busy_s(), _known_s(server), time.monotonic()
    with tempfile.TemporaryDirectory() as folder, _probing(server) as probes_s:
        span = Span(WARM_UP_S, seconds)
        trial = Trial(url=server.address, load=load, span=span, seed=seed, bodies=(BODY,), out=Path(folder))
        told = summarise(read(run(trial, lambda _: None)))
    known_s = _known_s(server) - known_before_s
    foreign_cores = (proc.machine_busy_s() - busy_before_s - known_s) / (time.monotonic() - began_s)
    return shot(told, probes_s, max(0.0, foreign_cores))


def _known_s(server: Server) -> float:
    """The CPU of the server, of this process and of the generators that have ended."""
    return server.cpu_s() + sum(os.times()[:4])


def shot(told: Summary, probes_s: Sequence[float], foreign_cores: float) -> Shot:
    """What matters of a trial."""
    lost = sum(count for outcome, count in told.outcomes.items() if outcome not in ("success", "refused"))
    lost_probes = sum(probe_s >= PROBE_TIMEOUT_S for probe_s in probes_s)
    found = [*told.voids, *([told.reason] if not told.complete else [])]
    found += [f"{lost:,} requests were neither served nor refused"] if lost else []
    found += [f"{lost_probes} probes of /health had no 200"] if lost_probes else []
    return Shot(
        goodput_per_s=told.answered_per_s,
        accepted_p99_s=_p99_s(told, "success"),
        refused_p99_s=_p99_s(told, "refused"),
        late_p99_s=told.lateness.percentiles_s["99"] if told.lateness else 0.0,
        health_p99_s=statistics.quantiles(probes_s, n=100, method="inclusive")[98],
        foreign_cores=foreign_cores,
        doubts=tuple(found),
    )


def _p99_s(told: Summary, outcome: str) -> float | None:
    """From the intended start."""
    return told.latency[outcome].percentiles_s["99"] if outcome in told.latency else None


@contextlib.contextmanager
def _probing(server: Server) -> Iterator[list[float]]:
    """Ask /health all the while, on a connection of its own each time: how long every probe took."""
    took_s: list[float] = []
    ends = threading.Event()

    def probe() -> None:
        while not ends.wait(PROBE_EVERY_S):
            took_s.append(_probe_s(server))

    prober = threading.Thread(target=probe)
    prober.start()
    try:
        yield took_s
    finally:
        ends.set()
        prober.join()


def _probe_s(server: Server) -> float:
    began_s = time.monotonic()
    with contextlib.suppress(OSError, http.client.HTTPException):
        if server.ask("GET", "/health")[0] == 200:
            return time.monotonic() - began_s
    return PROBE_TIMEOUT_S


def _waiting_verdicts(title: str, rounds: Sequence[Round]) -> list[Verdict]:
    goodput, peak = (_of(title, rounds, moment, "goodput_per_s") for moment in ("overload", "peak"))
    over, at_capacity = (_of(title, rounds, moment, "accepted_p99_s") for moment in ("overload", "capacity"))
    return [
        judge(f"P10.{title}-goodput", ratio(goodput, peak)),
        judge(f"P10.{title}-p99", ratio(over, at_capacity)),
        judge(f"P10.{title}-refusal", _of(title, rounds, "overload", "refused_p99_s")),
        judge(f"P10.{title}-health", _of(title, rounds, "overload", "health_p99_s")),
    ]


def _computing_verdicts(computing: dict[int, list[Round]]) -> list[Verdict]:
    """Refusals are judged with one thread; /health with however many make it slowest."""
    healths = [_of(f"computing, M={m}", rounds, "overload", "health_p99_s") for m, rounds in computing.items()]
    worst = tuple(map(max, *(health.samples for health in healths)))
    return [
        judge("P10.computing-refusal", _of("computing, M=1", computing[1], "overload", "refused_p99_s")),
        judge("P10.computing-health", Series(systems.PFSERVE, "computing, the slowest: /health p99", "ms", worst)),
    ]


QUANTITIES = {  # of a Shot: its name in a report, its unit, and how many of that the field's unit is
    "goodput_per_s": ("goodput", "/s", 1),
    "accepted_p99_s": ("accepted, p99", "ms", 1e3),
    "refused_p99_s": ("refused, p99", "ms", 1e3),
    "health_p99_s": ("/health, p99", "ms", 1e3),
    "late_p99_s": ("the generator late, p99", "ms", 1e3),
    "foreign_cores": ("CPU of everything else", "cores", 1),
}


def _of(title: str, rounds: Sequence[Round], moment: str, field: str) -> Series:
    """One figure of every round. What did not occur at all is no number, and keeps no limit."""
    name, unit, factor = QUANTITIES[field]
    values = [getattr(getattr(one, moment), field) for one in rounds]
    samples = tuple(float("nan") if value is None else value * factor for value in values)
    return Series(systems.PFSERVE, f"{title}, {moment}: {name}", unit, samples)


def _series(title: str, rounds: Sequence[Round]) -> list[Series]:
    found = [_of(title, rounds, moment, field) for moment in Round.__struct_fields__ for field in QUANTITIES]
    return [series for series in found if not any(map(math.isnan, series.samples))]


def doubts(title: str, rounds: Sequence[Round]) -> list[str]:
    """What makes figures unbelievable: a late generator, a busy machine, lost requests, nobody refused."""
    shots = [(moment, getattr(one, moment)) for one in rounds for moment in Round.__struct_fields__]
    told = [f"overload, {title}, {moment}: {doubt}" for moment, one in shots for doubt in one.doubts]
    foreign = statistics.median(one.foreign_cores for _, one in shots)
    if foreign > FOREIGN_LIMIT:
        told.append(f"overload, {title}: others used {foreign:.2f} cores of this machine meanwhile")
    if any(one.overload.refused_p99_s is None for one in rounds):
        told.append(f"overload, {title}: nobody was refused, so it was none")
    told += [
        f"overload, {title}: of the refusals' p99 {_ms(one.overload.late_p99_s):.1f} ms may be the generator's lateness"
        for one in rounds
        if _blurs(one.overload)
    ]
    return told


def _blurs(over: Shot) -> bool:
    """Whether the generator was so late that the time of a refusal is not the server's."""
    return over.late_p99_s > max(LATE_S, LATE_SHARE * (over.refused_p99_s or 0.0))


def _ms(seconds: float | None) -> float:
    return float("nan") if seconds is None else seconds * 1e3
