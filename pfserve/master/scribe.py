"""Writes what the master knows about the instance into the ledger, for all who look."""

from __future__ import annotations

import time
from collections.abc import Iterable

from pfserve.master.generations import Phase
from pfserve.region import Fact, Life, PlanFacts, Region

_NS = 1_000_000_000

_LIVES = {
    Phase.COMPILING: Life.COMPILING,
    Phase.STARTING: Life.STARTING,
    Phase.LIVE: Life.LIVE,
    Phase.RETIRING: Life.RETIRING,
    Phase.DRAINING: Life.DRAINING,
    Phase.KILLED: Life.ENDING,
    Phase.ORPHANED: Life.ENDING,
}


class Scribe:
    """The one writer of the ledger's facts and of its blocks."""

    def __init__(self, region: Region) -> None:
        self._region = region
        self._ledger = region.ledger

    def begin(self, started_s: float, ports: tuple[int, int]) -> None:
        """The instance is about to start; ``ports`` are the main one and the admin port."""
        facts = self._ledger.facts
        facts[Fact.STARTED_WALL_NS] = int((time.time() - (time.monotonic() - started_s)) * _NS)
        facts[Fact.STARTED_NS] = facts[Fact.ALIVE_NS] = int(started_s * _NS)
        facts[Fact.PORT], facts[Fact.ADMIN_PORT] = ports

    def note_turn(self, now_ns: int, generations: Iterable[tuple[int, int, Phase, int]]) -> None:
        """Once a turn: each generation with its block, its phase and its leader's pid."""
        ledger = self._ledger
        left = set(range(ledger.blocks))
        last_ns = max(self._region.beats)
        for number, block, phase, leader_pid in generations:
            left.discard(block)
            ledger.generations[block], ledger.leaders[block] = number, leader_pid
            ledger.lives[block] = _LIVES[phase]
            if phase in (Phase.COMPILING, Phase.STARTING):
                last_ns = now_ns
        for block in left:
            ledger.lives[block] = Life.NONE
            ledger.forget_plan(block)
        ledger.facts[Fact.ALIVE_NS] = max(ledger.facts[Fact.ALIVE_NS], last_ns)

    def note_compiled(self, block: int, plan: PlanFacts) -> None:
        """A leader has its plan."""
        self._ledger.tell_plan(block, plan)

    def note_ready(self, generation: int, after_s: float) -> None:
        """A generation serves from now on."""
        self._ledger.facts[Fact.GENERATION] = generation
        self._ledger.facts[Fact.READY_AFTER_NS] = int(after_s * _NS)

    def count(self, fact: Fact) -> None:
        """One more."""
        self._ledger.facts[fact] += 1
