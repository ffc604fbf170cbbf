"""P5: what another node costs. The CPU of whole requests, long chain against short: one node is too small to time."""

from __future__ import annotations

import tempfile
from pathlib import Path

import msgspec

from . import contest, flows, systems
from .budgets import judge
from .contest import CPU_PER_REQUEST
from .part import Part, Say, Settings
from .series import Series
from .throughput import BODY, unseen
from .wrk import Load

LENGTHS = (1, 41, 100)


def chains(settings: Settings, say: Say) -> Part:
    """P5: chains of each kind."""
    series: list[Series] = []
    voids: list[str] = []
    verdicts, bends = [], []
    for kind in flows.CHAIN_FILES:
        held = _hold(kind, settings, say)
        costs = [held.of(_name(kind, length), CPU_PER_REQUEST) for length in LENGTHS]
        node, bend = compare_lengths(*costs)
        series += [*held.series(), node, bend]
        voids += held.voids()
        verdicts.append(judge(f"P5.{kind}", node))
        bends.append(bend)
    worst = max(bends, key=lambda bend: bend.median)
    return Part(tuple(series), (*verdicts, judge("P5.linear", worst)), tuple(voids))


def compare_lengths(short: Series, middle: Series, long: Series) -> tuple[Series, Series]:
    """From the costs at LENGTHS, round by round: another node, and the long chain over the line through the others."""
    first, second, last = LENGTHS
    pairs = zip(short.samples, middle.samples, strict=True)
    nodes = tuple((more - less) / (second - first) for less, more in pairs)
    lines = [less + (last - first) * node for less, node in zip(short.samples, nodes, strict=True)]
    bends = tuple(cost / line for cost, line in zip(long.samples, lines, strict=True))
    return Series(middle.system, "CPU of another node", "us", nodes), Series(long.system, "over linear", "x", bends)


def _hold(kind: str, settings: Settings, say: Say) -> contest.Contest:
    with tempfile.TemporaryDirectory() as home:
        launches = []
        for length in LENGTHS:
            launch = systems.pfserve(flows.chain(Path(home) / _name(kind, length), kind, length), 1)
            launches.append(msgspec.structs.replace(launch, system=_name(kind, length)))
        load = Load(16, settings.seconds, BODY)
        return contest.hold(f"{kind} chain", launches, load, settings.rounds, probe=unseen, say=say)


def _name(kind: str, length: int) -> str:
    return f"{kind} x{length}"
