"""P12: what a second worker brings to a flow that computes."""

from __future__ import annotations

import os
import secrets

import msgspec

from . import contest, systems
from .budgets import judge
from .contest import REQUESTS_PER_S, Contest
from .part import Part, Say, Settings
from .series import Series, ratio
from .wrk import Load

WORKERS = 2
BODY = '{"below": 1000000}'  # tens of milliseconds of plain Python
CONNECTIONS = 8


def scaling(settings: Settings, say: Say) -> Part:
    """P12: one worker and two, the CPU-bound flow of the examples."""
    flow = settings.examples / "cpu-bound"
    names = [f"{systems.PFSERVE}, {workers} workers" for workers in (1, WORKERS)]
    pairs = zip(names, (1, WORKERS), strict=True)
    launches = [msgspec.structs.replace(systems.pfserve(flow, workers), system=name) for name, workers in pairs]
    load = Load(CONNECTIONS, max(settings.seconds, 5), BODY)
    held = contest.hold("CPU-bound", launches, load, settings.rounds, probe=_unseen, say=say)
    alone, both = (held.of(name, REQUESTS_PER_S) for name in names)
    scaled = corrected(ratio(both, alone), _available(held, names[1]))
    return Part((*held.series(), scaled), (judge("P12.scaling", scaled),), held.voids())


def corrected(measured: Series, available_cores: list[float]) -> Series:
    """The ratios as they would be if the generator had not taken some of the cores that the workers need."""
    pairs = zip(measured.samples, available_cores, strict=True)
    samples = tuple(sample * WORKERS / cores for sample, cores in pairs)
    return Series(measured.system, f"{measured.quantity}, corrected for the generator's CPU", "x", samples)


def _available(held: Contest, system: str) -> list[float]:
    """The cores that the generator has left to the workers, round by round; at most one a worker."""
    cores = len(os.sched_getaffinity(0))
    return [min(WORKERS, cores - sample.reading.generator_cores) for sample in held.samples[system]]


def _unseen() -> str:
    return f'{{"below": {1000 + secrets.randbelow(1000)}}}'
