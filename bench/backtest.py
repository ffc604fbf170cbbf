"""B3: what ``capacity`` forecasts for three flows, written down, then measured; Azure's one line beside it."""

from __future__ import annotations

import contextlib
import datetime
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

import msgspec

from . import budgets, flows, proc, systems
from .capacity import given
from .capacity.backtest import Foretold, Judged, Seen, foretell, judge
from .capacity.demand import Demand
from .capacity.instance import Shape
from .capacity.records import from_records
from .capacity.simulation import WARM_UP
from .capacity.slo import Slo
from .contest import FOREIGN_LIMIT
from .part import Part, Say, Settings
from .recorder import read
from .schedule import Closed, Load, Open, Segment, Spacing, Span
from .schedule import Shape as Rates
from .series import Series
from .server import Server
from .throughput import BODY
from .trial import Summary, Trial, run, summarise
from .upstream import connections_option, stub_model

MODEL_MS = 200
REST_S = (0.04, 0.06)
COMPUTED = 150_000
REFUSALS = 0.01
LASTS_S = 11.0
CALM_S = 10.0
SYSTEM = "capacity"


class Flow(msgspec.Struct, frozen=True):
    """A kind of flow, and how it is asked."""

    name: str
    write: Callable[[Path], Path]
    blocking: str
    calm_per_s: float  # at which requests are alone
    patience: float  # the promise: p95 within so many times the p95 of a request alone
    shapes: Sequence[tuple[int, int, int]]  # workers, threads, places
    repeats: int = 1  # of each trial that is held against the forecast; the middle one counts


FLOWS = (
    Flow("LLM-bound", lambda home: flows.model(home / "model"), given.NONE, 20, 1.5,
         [(1, 1, 8), (1, 1, 16), (2, 1, 32), (2, 1, 64)]),
    Flow("sync I/O-bound", lambda home: flows.resting_about(home / "resting", *REST_S), given.ALL, 8, 3,
         [(1, 4, 12), (1, 8, 64), (2, 4, 16), (2, 8, 64)]),
    Flow("CPU-bound", lambda home: flows.computing(home / "computing", COMPUTED), given.ALL, 8, 5,
         [(1, 1, 4), (1, 1, 16), (1, 2, 8), (1, 4, 32)], repeats=3),
)  # fmt: skip


class Known(msgspec.Struct, frozen=True):
    """What the forecast of a flow starts from: a trial with one user a worker.

    Who asks again at once leaves a worker no time to fall idle: a core that wakes up for each request computes it
    slower, and in times that differ more, than one that is kept busy.
    """

    flow: str
    requests: int
    mean_s: float
    p95_s: float
    cpu_s: float


class Written(msgspec.Struct, frozen=True):
    """The file that is there before anything of it is measured."""

    written_at: str
    known: Sequence[Known]
    forecasts: Sequence[Foretold]


class _Rig:
    """The stub and the folder that all servers share."""

    def __init__(self, home: Path, stub: Server, lasts_s: float, say: Say) -> None:
        self.home, self.stub, self.lasts_s, self.say = home, stub, lasts_s, say
        self.written = {flow.name: flow.write(home) for flow in FLOWS}
        self.cores = sorted(os.sched_getaffinity(0))  # the last is the generator's, the others are the servers'
        self.voids: list[str] = []

    @contextlib.contextmanager
    def serving(self, flow: Flow, shape: tuple[int, int, int]) -> Iterator[Server]:
        workers, threads, places = shape
        more = "--threads", str(threads), *connections_option(self.home)
        with ExitStack() as stack:
            with on(self.cores[:-1]):
                server = stack.enter_context(Server(systems.pfserve(self.written[flow.name], workers, places, *more)))
            server.wait_ready()
            yield server

    def load(self, server: Server, per_s: float, lasts_s: float, seed: int, title: str) -> Path:
        """Poisson arrivals."""
        warm_s = lasts_s * WARM_UP / (1 - WARM_UP)
        load = Open(Rates((Segment(warm_s + lasts_s, per_s, per_s),)), Spacing.POISSON)
        return self._run(server, load, Span(warm_s, lasts_s), seed, f"{title} at {per_s:.3g}/s")

    def crowd(self, server: Server, users: int, title: str) -> Path:
        """Users who ask again at once."""
        span = Span(CALM_S * WARM_UP / (1 - WARM_UP), CALM_S)
        return self._run(server, Closed(users), span, 3, f"{title} by {users} users")

    def _run(self, server: Server, load: Load, span: Span, seed: int, title: str) -> Path:
        """One trial; what makes it unbelievable is noted."""
        before_s, began_s = self._others_s(server), time.monotonic()
        trial = Trial(url=server.address, load=load, span=span, seed=seed, bodies=(BODY,), out=self.home)
        with on(self.cores[-1:]):
            record = whole(trial)
        summary = summarise(read(record))
        used_s = sum(use.cpu_s for use in summary.generators) + summary.recorder_cpu_s
        foreign = (self._others_s(server) - before_s - used_s) / (time.monotonic() - began_s)
        self.voids += [f"{title}: {void}" for void in summary.voids]
        if foreign > FOREIGN_LIMIT:
            self.voids.append(f"{title}: others used {foreign:.2f} cores of this machine meanwhile")
        return record

    def _others_s(self, server: Server) -> float:
        return proc.machine_busy_s() - server.cpu_s() - self.stub.cpu_s()


def back_test(settings: Settings, say: Say) -> Part:
    """B3, the forecasts kept in a new folder here."""
    folder = Path(f"backtest-{datetime.datetime.now(datetime.UTC):%Y%m%dT%H%M%S}")
    judged, voids = measure(folder, LASTS_S, say)
    return part(judged, voids)


def measure(folder: Path, lasts_s: float, say: Say) -> tuple[list[Judged], list[str]]:
    """Calm trials, the forecasts written to ``folder``, then the trials that they are held against."""
    folder.mkdir(parents=True)
    with tempfile.TemporaryDirectory() as place:
        home = Path(place)
        with stub_model(home, MODEL_MS) as stub:
            rig = _Rig(home, stub, lasts_s, say)
            asked = [(flow, *_calm(rig, flow)) for flow in FLOWS]
            cases = [(flow, shape, _foretell(flow, asks, shape, lasts_s)) for flow, _, asks in asked
                     for shape in flow.shapes]  # fmt: skip
            path = folder / "forecast.json"
            _keep(path, Written(_now(), [known for _, known, _ in asked], [said for *_, said in cases]))
            say(f"{len(cases)} forecasts are in {path}; now they are measured")
            judged = [_measured(rig, flow, shape, said) for flow, shape, said in cases]
    _keep(folder / "measured.json", {"measured_at": _now(), "settings": judged, "voids": rig.voids})
    return judged, rig.voids


@contextlib.contextmanager
def on(cores: Sequence[int]) -> Iterator[None]:
    """What is started meanwhile stays on these cores; on all that there are if none are given."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores or before)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def _calm(rig: _Rig, flow: Flow) -> tuple[Known, Demand]:
    workers = flow.shapes[-1][0]
    with rig.serving(flow, flow.shapes[-1]) as server:
        rig.load(server, flow.calm_per_s, 1.0, 1, flow.name)  # the first requests of all pay for what is made once
        calm, cpu_s = with_cpu(server, lambda: rig.crowd(server, workers, flow.name))
    known = msgspec.structs.replace(from_records([calm]), cpu_s=cpu_s)
    rig.say(f"{flow.name}: {known.times.mean_s * 1e3:.1f} ms, {cpu_s * 1e3:.2f} ms of CPU")
    told = Known(flow.name, known.count, known.times.mean_s, known.times.percentile(95), cpu_s)
    return told, given.demand(known, flow.blocking, None)


def whole(trial: Trial) -> Path:
    """The record of a trial that nobody stopped. Raises KeyboardInterrupt if somebody did."""
    record = run(trial, lambda _: None)
    if not (summary := summarise(read(record))).complete:
        raise KeyboardInterrupt(summary.reason)
    return record


def with_cpu(server: Server, load: Callable[[], Path]) -> tuple[Path, float]:
    """The record, and the server's CPU for each success, the warm-up's too."""
    before_s = server.cpu_s()
    record = load()
    used_s = server.cpu_s() - before_s
    summary = summarise(read(record))
    return record, used_s / (summary.outcomes["success"] + summary.warm_up.get("success", 0))


def _foretell(flow: Flow, asks: Demand, shape: tuple[int, int, int], lasts_s: float) -> Foretold:
    workers, threads, places = shape
    name = f"{flow.name} {workers}x{threads} C={places}"
    slo = Slo(95, flow.patience * sum(phase.times.percentile(95) for phase in asks.phases), REFUSALS)
    return foretell(name, asks, Shape(workers * threads, workers, places), slo, lasts_s, _seed(name))


def _measured(rig: _Rig, flow: Flow, shape: tuple[int, int, int], said: Foretold) -> Judged:
    with rig.serving(flow, shape) as server:
        rig.load(server, flow.calm_per_s, 1.0, 1, said.name)
        rounds = [[_seen(rig, server, said, at.per_s) for at in said.at] for _ in range(flow.repeats)]
    judged = judge(said, [middle(at) for at in zip(*rounds, strict=True)])
    rig.say(
        f"{said.name}: {judged.measured_per_s:.1f} requests/s measured, {said.per_s:.1f} forecast "
        f"({judged.rate_error:+.1%}); p95 {judged.p95_error:+.1%}; Azure's rule {judged.azure_error:+.0%}"
    )
    return judged


def middle(repeats: Sequence[Seen]) -> Seen:
    """Of trials at one rate. A core that something else stops for a moment is seen in one of them."""
    p95_s, refusal_rate = (
        statistics.median(figures)
        for figures in zip(*((each.p95_s, each.refusal_rate) for each in repeats), strict=True)
    )
    return Seen(repeats[0].per_s, p95_s, refusal_rate)


def _seen(rig: _Rig, server: Server, said: Foretold, per_s: float) -> Seen:
    summary: Summary = summarise(read(rig.load(server, per_s, rig.lasts_s, _seed(said.name), said.name)))
    success = summary.latency["success"]
    return Seen(per_s, success.percentiles_s["95"], 1 - summary.outcomes["success"] / summary.offered)


def part(judged: Sequence[Judged], voids: Sequence[str]) -> Part:
    """The worst of the settings is judged; all of them are shown."""
    series = [series for each in judged for series in _series(each)]
    verdicts = (
        budgets.judge("B3.rate", _worst("throughput", "%", [abs(each.rate_error) * 100 for each in judged])),
        budgets.judge("B3.p95", _worst("p95", "%", [abs(each.p95_error) * 100 for each in judged])),
        budgets.judge("B3.refusal", _worst("refusals", "x", [each.refusal_excess for each in judged])),
    )
    return Part(tuple(series), verdicts, tuple(voids))


def _worst(what: str, unit: str, errors: Sequence[float]) -> Series:
    return Series(SYSTEM, f"{what}: worst error", unit, (max(errors),))


def _series(each: Judged) -> list[Series]:
    said = each.foretold
    rows = [
        ("forecast", "rate at the promise", "/s", said.per_s),
        ("measured", "rate at the promise", "/s", each.measured_per_s),
        ("forecast", "error of the rate", "%", each.rate_error * 100),
        ("Azure's rule", "error of the rate", "%", each.azure_error * 100),
        ("forecast", f"p95 at {said.at[0].per_s:.3g}/s", "ms", said.at[0].p95_s * 1e3),
        ("measured", f"p95 at {said.at[0].per_s:.3g}/s", "ms", each.measured[0].p95_s * 1e3),
        ("forecast", f"p95 at {said.at[-1].per_s:.3g}/s", "ms", said.at[-1].p95_s * 1e3),
        ("measured", f"p95 at {said.at[-1].per_s:.3g}/s", "ms", each.measured[-1].p95_s * 1e3),
        ("forecast", f"refused at {said.at[-1].per_s:.3g}/s", "%", said.at[-1].refusal_rate * 100),
        ("measured", f"refused at {said.at[-1].per_s:.3g}/s", "%", each.measured[-1].refusal_rate * 100),
    ]
    return [Series(system, f"{said.name}: {what}", unit, (figure,)) for system, what, unit, figure in rows]


def _seed(name: str) -> int:
    """The same in every run, another for each setting."""
    return sum(name.encode())


def _keep(path: Path, told: object) -> None:
    """On the disk, not only on its way there: a forecast has to be older than its measurement."""
    with path.open("wb") as file:
        file.write(msgspec.json.format(msgspec.json.encode(told), indent=1) + b"\n")
        file.flush()
        os.fsync(file.fileno())


def _now() -> str:
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="milliseconds")
