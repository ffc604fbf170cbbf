"""P3, P4, P14: flows that mostly wait, under clients in a closed loop."""

from __future__ import annotations

import math
import os
import subprocess
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from itertools import chain
from pathlib import Path

import msgspec

from . import contest, flows, systems
from .budgets import Verdict, judge
from .closed import ClosedLoad
from .contest import P99, REQUESTS_PER_S, Contest
from .memory import MB
from .part import Part, Say, Settings
from .series import Series, ratio
from .server import Launch, Server
from .throughput import BODY, WORKERS, unseen
from .upstream import CONNECTION_FILE, connections_option, stub_model

LEAST_S = 15.0
WARM_UP_S = 5.0
TOLERANCE = 0.02
LATENCY_S = 1.25  # of both benchmark flows
ASYNC_CLIENTS = 500
SYNC_WORKERS, SYNC_THREADS = 8, 4
SYNC_SLOTS = SYNC_WORKERS * SYNC_THREADS
MATCHING_THREADS = math.ceil(ASYNC_CLIENTS / SYNC_WORKERS)  # a slot for every client
MIXED_CLIENTS = 100
FLASK_CLIENTS = 8  # keep its two slots busy; more would only wait longer, and it would be no faster
MIXED_LIMIT = min(WORKERS / 0.021, MIXED_CLIENTS / 1.021)  # 1/s


def parallel_async(settings: Settings, say: Say) -> Part:
    """P3: the async benchmark, as a DAG flow and as a flex flow."""
    load = _load(ASYNC_CLIENTS, settings)
    with tempfile.TemporaryDirectory() as folder, stub_model(Path(folder), latency_ms=1000) as stub:
        home = Path(folder)
        dag = systems.pfserve(flows.parallel_async(home / "dag"), WORKERS, 1000, *connections_option(home))
        told = "--env", f"{flows.MODEL_URL}={stub.address}"
        flex = systems.pfserve(flows.parallel_flex(home / "flex"), WORKERS, 1000, *told)
        parts = [
            _judged(key, *_hold(title, launch, load, settings.rounds, say=say, helpers=[stub]))
            for key, title, launch in (
                ("P3.", "async benchmark", dag),
                ("P3.flex-", "async benchmark, flex flow", flex),
            )
        ]
    return Part(*(tuple(chain.from_iterable(fields)) for fields in zip(*parts, strict=True)))


_Fields = tuple[Sequence[Series], Sequence[Verdict], Sequence[str]]  # of a part


def _judged(key: str, held: Contest, memory: Series) -> _Fields:
    """The fields of a part: what was measured, how it is judged, what makes it unbelievable."""
    rate = _over(held.of(systems.PFSERVE, REQUESTS_PER_S), ASYNC_CLIENTS / LATENCY_S)
    verdicts = (
        judge(f"{key}rate", rate),
        judge(f"{key}p99", _over(held.of(systems.PFSERVE, P99), LATENCY_S * 1e3)),
        judge(f"{key}memory", memory),
    )
    return (*held.series(), memory), verdicts, (*held.voids(), *beyond(rate))


def parallel_sync(settings: Settings, say: Say) -> Part:
    """P4: the sync benchmark, with promptflow's 8x4 slots and with as many as clients can keep busy.

    25.6 requests/s is what 32 threads can do. pfserve gives each of its 32 slots as many threads as the flow has
    parallel branches, three here, so more than that is no error of measurement.
    """
    with tempfile.TemporaryDirectory() as home:
        flow = flows.parallel_sync(Path(home) / "flow")
        parts = [
            _sync(key, flow, threads, clients, settings=settings, say=say)
            for key, threads, clients in (
                ("P4.rate", SYNC_THREADS, 2 * SYNC_SLOTS),
                ("P4.threads", MATCHING_THREADS, ASYNC_CLIENTS),
            )
        ]
    return Part(*(tuple(chain.from_iterable(fields)) for fields in zip(*parts, strict=True)))


def _sync(key: str, flow: Path, threads: int, clients: int, *, settings: Settings, say: Say) -> _Fields:
    launch = systems.pfserve(flow, SYNC_WORKERS, 1000, "--threads", str(threads))
    title = f"sync benchmark, {SYNC_WORKERS}x{threads}"
    held, memory = _hold(title, launch, _load(clients, settings), settings.rounds, say=say)
    limit = min(clients, SYNC_WORKERS * threads) / LATENCY_S
    rate = _over(held.of(systems.PFSERVE, REQUESTS_PER_S), limit)
    return (*held.series(), memory), (judge(key, rate),), held.voids()


def mixed(settings: Settings, say: Say) -> Part:
    """P14: the mixed flow, beside promptflow Flask."""
    python = settings.promptflow()
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        flow = flows.mixed(home / "flow")
        with stub_model(home, latency_ms=1000) as stub:
            launch = systems.pfserve(flow, WORKERS, 200, *connections_option(home))
            flask = systems.promptflow(python, "flask", flow, WORKERS)
            _tell_promptflow(python, home, flask)
            _compare_answers(launch, flask)
            load = _load(MIXED_CLIENTS, settings)
            ours, memory = _hold("mixed", launch, load, settings.rounds, say=say, helpers=[stub])
            load = _load(FLASK_CLIENTS, settings)
            theirs, _ = _hold("mixed", flask, load, settings.rounds, say=say, helpers=[stub])
    ours_per_s = ours.of(systems.PFSERVE, REQUESTS_PER_S)
    rate = _over(ours_per_s, MIXED_LIMIT)
    verdicts = (
        judge("P14.rate", rate),
        judge("P14.flask", ratio(ours_per_s, theirs.of(systems.FLASK, REQUESTS_PER_S))),
    )
    voids = (*ours.voids(), *theirs.voids(), *beyond(rate))
    return Part((*ours.series(), *theirs.series(), memory), verdicts, voids)


def _load(clients: int, settings: Settings) -> ClosedLoad:
    return ClosedLoad(clients, BODY, WARM_UP_S, max(LEAST_S, settings.seconds), LATENCY_S)


def _hold(
    title: str, launch: Launch, load: ClosedLoad, rounds: int, *, say: Say, helpers: Sequence[Server] = ()
) -> tuple[Contest, Series]:
    held, sizes = Contest(title, {launch.system: []}), []
    with Server(launch) as server:
        server.wait_ready()
        for round_number in range(1, rounds + 1):
            sample = contest.measure(server, load, helpers)
            held.samples[launch.system].append(sample)
            sizes.append(server.pss_bytes() / MB)
            rate = sample.reading.requests_per_s
            say(f"{title} {round_number}/{rounds}  {launch.system}: {rate:,.1f} requests/s, {sizes[-1]:.0f} MB")
    return held, Series(launch.system, f"{title}: PSS after load", "MB", tuple(sizes))


def beyond(rate: Series) -> tuple[str, ...]:
    """A doubt if more than the possible was reached: then the limit is not what bounds this server."""
    if rate.median <= 1 + TOLERANCE:
        return ()
    return (f"{rate.quantity}, {rate.system}: {rate.median:.2f} of what should be possible; the limit does not hold",)


def _over(series: Series, limit: float) -> Series:
    return msgspec.structs.replace(series, unit="x", samples=tuple(sample / limit for sample in series.samples))


def _compare_answers(*launches: Launch) -> None:
    with ExitStack() as stack:
        servers = [stack.enter_context(Server(launch)) for launch in launches]
        for server in servers:
            server.wait_ready()
        contest.check_answers(servers, unseen())


def _tell_promptflow(python: Path, home: Path, launch: Launch) -> None:
    argv = [str(python.parent / "pf"), "connection", "create", "--file", str(home / CONNECTION_FILE)]
    subprocess.run(argv, env={**os.environ, **launch.environment}, check=True, capture_output=True, timeout=120)
