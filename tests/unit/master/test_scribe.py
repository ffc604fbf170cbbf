from __future__ import annotations

import pytest

from pfserve.master.generations import Phase
from pfserve.master.scribe import Scribe
from pfserve.region import Fact, Life, PlanFacts, Region

NS = 1_000_000_000


@pytest.fixture
def region() -> Region:
    return Region(capacity=1, seats=6, blocks=3)


def test_the_blocks_say_which_generation_lives_where(region: Region) -> None:
    scribe, ledger = Scribe(region), region.ledger
    scribe.note_turn(NS, [(4, 2, Phase.LIVE, 11), (5, 0, Phase.COMPILING, 12)])
    scribe.note_compiled(0, PlanFacts("echo", "dag", "f", 2))
    assert list(ledger.lives) == [Life.COMPILING, Life.NONE, Life.LIVE]
    assert (list(ledger.generations), list(ledger.leaders)) == ([5, 0, 4], [12, 0, 11])
    scribe.note_turn(NS, [(4, 2, Phase.LIVE, 11)])
    assert ledger.lives[0] == Life.NONE and ledger.plan(0) == PlanFacts()


@pytest.mark.parametrize(
    ("phase", "beat_ns", "alive_ns"),
    [
        (Phase.LIVE, 5 * NS, 5 * NS),
        (Phase.LIVE, 0, 3 * NS),  # the last beat of a process that is gone
        (Phase.COMPILING, 0, 9 * NS),  # it has its own limit
        (Phase.STARTING, 5 * NS, 9 * NS),
        (Phase.ORPHANED, 0, 3 * NS),
    ],
)
def test_when_the_instance_was_last_alive(region: Region, phase: Phase, beat_ns: int, alive_ns: int) -> None:
    region.ledger.facts[Fact.ALIVE_NS] = 3 * NS
    region.beats[1] = beat_ns
    Scribe(region).note_turn(9 * NS, [(1, 0, phase, 1)])
    assert region.ledger.facts[Fact.ALIVE_NS] == alive_ns


def test_facts(region: Region) -> None:
    scribe, facts = Scribe(region), region.ledger.facts
    scribe.begin(2.0, (8080, 8081))
    scribe.note_ready(3, 0.5)
    scribe.count(Fact.RELOADS_OK)
    assert (facts[Fact.STARTED_NS], facts[Fact.PORT], facts[Fact.ADMIN_PORT]) == (2 * NS, 8080, 8081)
    assert (facts[Fact.GENERATION], facts[Fact.READY_AFTER_NS], facts[Fact.RELOADS_OK]) == (3, NS // 2, 1)


def test_every_phase_of_a_generation_can_be_told() -> None:
    region = Region(4, 6, 3)
    scribe = Scribe(region)
    for phase in Phase:
        scribe.note_turn(1, [(1, 0, phase, 100)])
        assert region.ledger.lives[0] != Life.NONE, phase
