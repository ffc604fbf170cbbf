"""P12: what a second worker brings to a flow that computes."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from pathlib import Path

import msgspec

from . import contest, flows, systems
from .budgets import judge
from .contest import REQUESTS_PER_S, Contest
from .part import Part, Say, Settings
from .series import Series, ratio
from .server import Launch
from .wrk import Load

WORKERS = 2
CONNECTIONS = 8
REWRITES = 600

Start = Callable[[int], Launch]  # so many workers


class Work(msgspec.Struct, frozen=True):
    """One request of tens of milliseconds that only computes, and who serves it."""

    key: str
    name: str
    body: str
    unseen: str
    ours: Start
    by_hand: Start


def scaling(settings: Settings, say: Say) -> Part:
    """P12: one worker and two, and the same around the node's function in a hand-written server.

    One node spends its time in the interpreter's loop, the other in functions written in C.
    """
    with tempfile.TemporaryDirectory() as home:
        parts = [_scaling(work, settings, say) for work in _works(settings.examples, Path(home))]
    series, verdicts, voids = zip(*((part.series, part.verdicts, part.voids) for part in parts), strict=True)
    return Part(sum(series, ()), sum(verdicts, ()), sum(voids, ()))


def _works(examples: Path, home: Path) -> list[Work]:
    loop, documents = examples / "cpu-bound", flows.rewriting(home / "documents", REWRITES)
    return [
        Work(
            "P12.scaling", "counting in a loop", '{"below": 1000000}', '{"below": 1234}',
            lambda workers: systems.pfserve(loop, workers),
            lambda workers: systems.handwritten_computing(loop / "count.py", "count", "primes", workers),
        ),
        Work(
            "P12.documents", "JSON out and in", '{"text": "x"}', '{"text": "y"}',
            lambda workers: systems.pfserve(documents, workers),
            lambda workers: systems.handwritten_computing(documents / "rewrite.py", "pass_on", "answer", workers),
        ),
    ]  # fmt: skip


def _scaling(work: Work, settings: Settings, say: Say) -> Part:
    numbers = (1, WORKERS)
    ours, theirs = ([_named(start(workers), workers) for workers in numbers] for start in (work.ours, work.by_hand))
    load = Load(CONNECTIONS, max(settings.seconds, 5), work.body)
    held = contest.hold(work.name, [*ours, *theirs], load, settings.rounds, probe=lambda: work.unseen, say=say)
    scaled, by_hand = _brought(held, *ours), _brought(held, *theirs)
    return Part((*held.series(), scaled, by_hand), (judge(work.key, scaled),), held.voids())


def _named(launch: Launch, workers: int) -> Launch:
    return msgspec.structs.replace(launch, system=f"{launch.system}, {workers} workers")


def _brought(held: Contest, one: Launch, several: Launch) -> Series:
    alone, together = (held.of(launch.system, REQUESTS_PER_S) for launch in (one, several))
    return corrected(ratio(together, alone), _available(held, several.system))


def corrected(measured: Series, available_cores: list[float]) -> Series:
    """The ratios as they would be if the generator had not taken some of the cores that the workers need."""
    pairs = zip(measured.samples, available_cores, strict=True)
    samples = tuple(sample * WORKERS / cores for sample, cores in pairs)
    return Series(measured.system, f"{measured.quantity}, corrected for the generator's CPU", "x", samples)


def _available(held: Contest, system: str) -> list[float]:
    """The cores that the generator has left to the workers, round by round; at most one a worker."""
    cores = len(os.sched_getaffinity(0))
    return [min(WORKERS, cores - sample.reading.generator_cores) for sample in held.samples[system]]
