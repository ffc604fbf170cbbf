"""P1 and P2: how fast the echo flow is served, loaded and unloaded."""

from __future__ import annotations

import secrets
import shutil
import tempfile
from pathlib import Path

from . import contest, systems
from .budgets import judge
from .certificates import issue, over_tls
from .contest import CPU_PER_REQUEST, P50, P99, REQUESTS_PER_S, Contest
from .part import Part, Say, Settings
from .series import Series, ratio
from .wrk import Load

BODY = '{"text": "hello"}'
WORKERS = 2


def unseen() -> str:
    """A body like the one of the load, with a text that nobody has seen."""
    return BODY.replace("hello", secrets.token_hex(8))


def loaded(settings: Settings, say: Say) -> Part:
    """P1: two workers and sixteen connections, the node async and sync, and the async one over TLS."""
    parts = [*(_loaded(kind, settings, say) for kind in ("async", "sync")), _secured(settings, say)]
    return Part(
        series=tuple(series for part in parts for series in part.series),
        verdicts=tuple(verdict for part in parts for verdict in part.verdicts),
        voids=tuple(void for part in parts for void in part.voids),
    )


def _loaded(kind: str, settings: Settings, say: Say) -> Part:
    flow = settings.examples / f"{kind}-echo"
    python = settings.promptflow()
    with tempfile.TemporaryDirectory() as home:
        copy = shutil.copytree(flow, Path(home) / flow.name)
        launches = [
            systems.pfserve(flow, WORKERS),
            systems.handwritten(kind, flow, WORKERS),
            systems.promptflow(python, "flask", copy, WORKERS),
            systems.promptflow(python, "fastapi", copy, WORKERS),
        ]
        load = Load(16, settings.seconds, BODY)
        held = contest.hold(f"{kind} echo", launches, load, settings.rounds, probe=unseen, say=say)
    ours = held.of(systems.PFSERVE, REQUESTS_PER_S)
    verdicts = (
        judge(f"P1.{kind}", ratio(ours, held.of(systems.HANDWRITTEN, REQUESTS_PER_S))),
        judge(f"P1.{kind}-flask", ratio(ours, held.of(systems.FLASK, REQUESTS_PER_S))),
    )
    ratios = [ratio(ours, held.of(launch.system, REQUESTS_PER_S)) for launch in launches[1:]]
    ratios.append(ratio(held.of(systems.PFSERVE, CPU_PER_REQUEST), held.of(systems.HANDWRITTEN, CPU_PER_REQUEST)))
    return Part((*held.series(), *ratios), verdicts, held.voids())


def _secured(settings: Settings, say: Say) -> Part:
    """P1 over TLS, the node async: beside itself without."""
    with tempfile.TemporaryDirectory() as home:
        plain = systems.pfserve(settings.examples / "async-echo", WORKERS)
        launches = [plain, over_tls(plain, issue(Path(home)))]
        load = Load(16, settings.seconds, BODY)
        held = contest.hold("TLS", launches, load, settings.rounds, probe=unseen, say=say)
    without, secured = (held.of(launch.system, REQUESTS_PER_S) for launch in launches)
    kept = ratio(secured, without)
    return Part((*held.series(), kept), (judge("P1.tls", kept),), held.voids())


def alone(settings: Settings, say: Say) -> Part:
    """P2: one worker and one connection, the node async."""
    flow = settings.examples / "async-echo"
    launches = [systems.pfserve(flow, 1), systems.handwritten("async", flow, 1)]
    load = Load(1, settings.seconds, BODY)
    held = contest.hold("one connection", launches, load, settings.rounds, probe=unseen, say=say)
    verdicts = (judge("P2.p50", held.of(systems.PFSERVE, P50)), judge("P2.tail", _tail(held)))
    return Part(held.series(), verdicts, held.voids())


def _tail(held: Contest) -> Series:
    return ratio(held.of(systems.PFSERVE, P99), held.of(systems.PFSERVE, P50))
