"""What comes of the rounds of two versions; no server here."""

from __future__ import annotations

import pytest

from bench.against import ROUNDS, Match, Run, changes_of, doubts_of, least_rounds
from bench.change import MISTAKEN, Outcome
from bench.contest import CPU_PER_REQUEST, P50, REQUESTS_PER_S, Sample
from bench.server import Launch
from bench.wrk import Reading

QUANTITIES = (REQUESTS_PER_S, CPU_PER_REQUEST, P50, "PSS after load", "cold start")
MATCH = Match("echo", Launch("pfserve", ()), 16, QUANTITIES)


def run(factor=1.0, *, foreign=0.0, stalls=()):
    """A round of a server that takes ``factor`` as long; every third load may have stalled."""
    samples = tuple(
        Sample(Reading(1000 / one, 0.001 * one, 0.004 * one, 0), 1.0, foreign)
        for one in (factor, factor * (2.0 if stalls else 1.0), factor)
    )
    return Run(0.4 * factor, samples, round(40e6 * factor))


def outcomes(ours, theirs):
    return {
        change.key.removeprefix("echo: "): change.outcome for change in changes_of(MATCH, (ours, theirs), MISTAKEN / 5)
    }


def test_what_takes_a_tenth_longer_has_regressed_in_every_quantity():
    assert outcomes([run(1.12)] * ROUNDS, [run()] * ROUNDS) == dict.fromkeys(QUANTITIES, Outcome.REGRESSED)
    assert outcomes([run()] * ROUNDS, [run(1.12)] * ROUNDS) == dict.fromkeys(QUANTITIES, Outcome.IMPROVED)
    assert outcomes([run()] * ROUNDS, [run()] * ROUNDS) == dict.fromkeys(QUANTITIES, Outcome.UNCHANGED)


def test_fewer_rounds_than_can_convince():
    # 2 ** -7 is below 1 %; with 12 lines each has a twelfth of it.
    assert [least_rounds(lines) for lines in (1, 12)] == [7, 11]
    assert least_rounds(12) <= ROUNDS


def test_a_stall_in_every_round_is_nobodys():
    found = outcomes([run(stalls=(1,))] * ROUNDS, [run()] * ROUNDS)
    assert found == dict.fromkeys(QUANTITIES, Outcome.UNCHANGED)


@pytest.mark.parametrize(("foreign", "count"), [(0.0, 0), (0.5, 1)])
def test_a_busy_machine_is_doubted(foreign, count):
    runs = [run(foreign=foreign)] * ROUNDS
    assert len(doubts_of(MATCH, (runs, runs))) == count
