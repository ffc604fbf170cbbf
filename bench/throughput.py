"""P1, P2 and P11: how fast the echo flow is served, loaded, unloaded and logged."""

from __future__ import annotations

import secrets
import shutil
import tempfile
from pathlib import Path

import msgspec

from . import contest, systems
from .budgets import judge
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
    """P1: two workers and sixteen connections, the node async and sync."""
    parts = [_loaded(kind, settings, say) for kind in ("async", "sync")]
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


def logged(settings: Settings, say: Say) -> Part:
    """P11: the access log, the node async, loaded as in P1. The log goes to a file."""
    flow = settings.examples / "async-echo"
    plain, log = systems.pfserve(flow, WORKERS), systems.pfserve(flow, WORKERS, 64, "--access-log")
    log = msgspec.structs.replace(log, system=f"{systems.PFSERVE}, access log")
    load = Load(16, settings.seconds, BODY)
    held = contest.hold("access log", [plain, log], load, settings.rounds, probe=unseen, say=say)
    kept = ratio(held.of(log.system, REQUESTS_PER_S), held.of(plain.system, REQUESTS_PER_S))
    return Part((*held.series(), kept), (judge("P11.log", kept),), held.voids())


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
