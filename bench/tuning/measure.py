"""One trial: a server with a setting, loaded until its goodput is known."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

import msgspec

from .. import systems
from ..durations import written
from ..mistake import Mistake
from ..recorder import DiskProblem, read
from ..schedule import Closed, Load, Open, Segment, Shape, Spacing, Span
from ..server import Server, leash
from ..trial import Summary, Trial, run, summarise
from ..trial.run import INTERRUPTED, UNWRITTEN
from ..tuner import Facts, Goal, Score, Setting, Step
from ..tuner.goal import Seen
from ..tuner.model import CROWDS, calibrate, forecast, is_limited
from ..tuner.search import Load as Tried
from ..tuner.search import goodput, next_rate
from .record import LoadRecord, TrialRecord

VOID_REPEATS = 4
VOID_PAUSE_S = 1.0  # what disturbed may pass
WANTED = 100  # requests of a load, where they come often enough
LONGEST = 4  # of the usual length, for their sake


class Interrupted(Exception):
    """Somebody asked for the end; what was recorded stays."""


class Void(RuntimeError):
    """The generator was too late, again and again, for the figures to be the server's."""


class Site(msgspec.Struct, frozen=True):
    """What is loaded, and how."""

    flow: Path
    serve_args: tuple[str, ...]
    bodies: tuple[str, ...] | None
    cores: int
    load_s: float
    seed: int
    folder: Path
    ready_within_s: float = 60.0

    def server(self, setting: Setting) -> Server:
        """Not started yet."""
        threads = ("--threads", str(setting.threads), "--admin-port", "0", "--server-timing")
        launch = systems.pfserve(self.flow, setting.workers, setting.bound, *threads, *self.serve_args)
        return Server(msgspec.structs.replace(launch, argv=(*leash(), *launch.argv)))

    def load(self, server: Server, load: Load, span: Span, seed: int) -> tuple[Summary, str]:
        """One load. One that is void is done again.

        Raises Interrupted, DiskProblem, and Void if it stays so.
        """
        trial = Trial(
            url=server.address, load=load, span=span, seed=seed, bodies=self.bodies, out=self.folder / "loads"
        )
        for _ in range(VOID_REPEATS):
            file = run(trial, lambda _: None)
            summary = summarise(read(file))
            if INTERRUPTED in summary.reason:
                raise Interrupted
            if UNWRITTEN in summary.reason:
                raise DiskProblem(summary.reason)
            if not summary.voids:
                return summary, file.name
            file.unlink()
            time.sleep(VOID_PAUSE_S)
        raise Void(f"{VOID_REPEATS} loads in turn were void, is the machine busy? {summary.voids[0]}")


def look(site: Site) -> Facts:
    """What the model must know: one user alone, then crowds at a single slot until one is held up.

    Raises Mistake if the flow fails.
    """
    with site.server(Setting(1, 1, CROWDS[-1])) as server:
        server.wait_ready(site.ready_within_s)
        alone, _ = site.load(server, Closed(1), Span(0.5, count=_few(server, site)), site.seed)
        _check(alone)
        assert alone.service is not None
        latency_s = alone.service.percentiles_s["50"]
        for users in CROWDS:
            before_s = server.cpu_s()
            crowd, _ = site.load(server, Closed(users), Span(latency_s, max(3.0, 4 * latency_s)), site.seed)
            if is_limited(latency_s, users, crowd.answered_per_s):
                break
        answered = crowd.outcomes["success"] + crowd.warm_up.get("success", 0)
        cpu_s = (server.cpu_s() - before_s) / max(answered, 1)
    return calibrate(site.cores, latency_s, cpu_s, users, crowd.answered_per_s)


def _few(server: Server, site: Site) -> int:
    """So many requests that one user has done them in some seconds."""
    probe, _ = site.load(server, Closed(1), Span(0, count=2), site.seed)
    _check(probe)
    assert probe.service is not None
    return max(3, min(200, int(3 / probe.service.percentiles_s["50"])))


def _check(summary: Summary) -> None:
    if not summary.outcomes["success"]:
        told = f"{summary.excerpts[0][0]}: {summary.excerpts[0][1]}" if summary.excerpts else f"{summary.outcomes}"
        raise Mistake(f"the flow answers no request with success; give bodies that it takes by --payload. {told}")


def measure(site: Site, goal: Goal, asked: Step, facts: Facts, before: Sequence[TrialRecord]) -> TrialRecord:
    """One trial of the setting asked for. Raises Void if not one of its loads can be believed."""
    setting = asked.setting
    began_s = time.monotonic()
    loads: list[LoadRecord] = []
    with site.server(setting) as server:
        server.wait_ready(site.ready_within_s)
        first_per_s = _first_rate(goal, setting, facts, before)
        cores = 0.0
        while rate := _next(goal, loads, first_per_s, facts.idle_per_s):
            seed = site.seed + 1000 * len(before) + len(loads)
            used_s, at_s = server.cpu_s(), time.monotonic()
            loads.append(_load(site, goal, server, _arrivals(site, rate, facts), seed))
            cores = (server.cpu_s() - used_s) / (time.monotonic() - at_s)
        memory = server.pss_bytes()
    if not any(load.file for load in loads):
        raise Void("; ".join(loads[-1].missed))
    return TrialRecord(score(goal, setting, loads, memory), asked.why, loads, cores, time.monotonic() - began_s)


def _first_rate(goal: Goal, setting: Setting, facts: Facts, before: Sequence[TrialRecord]) -> float:
    """What the setting gave before, else what the model says, corrected by the last trial."""
    same = [trial.score.goodput_per_s for trial in before if trial.score.setting == setting]
    if same and same[-1] > 0:
        return same[-1] * 0.98
    guess = forecast(setting, facts, goal.tightest_s)
    if not before or not before[-1].score.goodput_per_s:
        return guess
    last = before[-1].score
    return guess * min(1.5, last.goodput_per_s / forecast(last.setting, facts, goal.tightest_s))


def _next(goal: Goal, loads: Sequence[LoadRecord], first_per_s: float, least_per_s: float) -> float | None:
    if goal.rate_per_s is not None:
        return None if loads else goal.rate_per_s
    return next_rate([Tried(load.seen.rate_per_s, not load.missed) for load in loads], first_per_s, least_per_s)


def _arrivals(site: Site, rate: float, facts: Facts) -> tuple[Open, Span]:
    """Poisson arrivals for long enough that many requests come and go."""
    length_s = max(site.load_s, 4 * facts.latency_s)
    lasts_s = max(length_s, min(WANTED / rate, LONGEST * length_s), 5 / rate)
    shape = Shape((Segment(lasts_s, rate, rate),))
    return Open(shape, Spacing.POISSON), Span(max(min(1.0, site.load_s / 2), 2 * facts.latency_s), lasts_s)


def _load(site: Site, goal: Goal, server: Server, arrivals: tuple[Open, Span], seed: int) -> LoadRecord:
    """A rate at which the server leaves the generator no CPU is more than this machine can do."""
    load, span = arrivals
    rate = load.shape.segments[0].from_per_s
    try:
        summary, file = site.load(server, load, span, seed)
    except Void as void:
        return LoadRecord(Seen(rate, 0, 0.0, span.measured_s or 0.0, 0, 0, {}), [str(void)], "")
    shown = seen(summary, rate)
    return LoadRecord(shown, goal.missed(shown), file)


def seen(summary: Summary, rate: float) -> Seen:
    """What of a summary a goal looks at."""
    success = summary.latency.get("success")
    refused, succeeded = summary.outcomes["refused"], summary.outcomes["success"]
    return Seen(
        rate_per_s=rate,
        offered=summary.offered,
        answered_per_s=summary.answered_per_s,
        lasted_s=summary.measured_s,
        refused=refused,
        failed=summary.offered - refused - succeeded,
        percentiles_s=success.percentiles_s if success else {},
        waits_s=summary.queue.percentiles_s if summary.queue else {},
    )


def score(goal: Goal, setting: Setting, loads: Sequence[LoadRecord], memory: int) -> Score:
    """What the loads of one trial say together."""
    if goal.rate_per_s is not None:
        [load] = loads
        answered = min(load.seen.answered_per_s, goal.rate_per_s)
        return Score(setting, answered if load.missed else goal.rate_per_s, not load.missed, memory)
    tried = [Tried(load.seen.rate_per_s, not load.missed) for load in loads]
    reached = [load.seen for load in loads if not load.missed]
    if not reached:
        return Score(setting, 0.0, reached=False, memory_bytes=memory)
    best = max(reached, key=lambda seen: seen.rate_per_s)
    served = 1 - (best.refused + best.failed) / best.offered  # refusals within the goal are no goodput
    most = max(load.seen.answered_per_s for load in loads)  # a line that grows slowly may not be seen in a short load
    return Score(setting, min(goodput(tried) * served, most), reached=True, memory_bytes=memory)


def told(trial: TrialRecord) -> str:
    """One line about a trial."""
    score = trial.score
    memory = f"{score.memory_bytes / 1e6:,.0f} MB"
    if score.reached:
        return f"{score.setting}: {score.goodput_per_s:,.1f} requests/s, {memory}, {written(trial.lasted_s)}"
    nearest = min(trial.loads, key=lambda load: load.seen.rate_per_s)
    return f"{score.setting}: not reached at {nearest.seen.rate_per_s:,.2f} requests/s: {'; '.join(nearest.missed)}"
