from __future__ import annotations

import math
import statistics

import pytest

from bench.queueing import SERVICE_S, SLOTS, Cell, Waits, arrivals, doubts, simulated_waits
from bench.systems import FLASK


def test_one_queue_by_hand():
    # Two servers, one second each: the third waits for the first, the fourth for the second, the fifth for none.
    assert simulated_waits([0.0, 0.25, 0.5, 0.75, 5.0], 2, 1.0) == [0.0, 0.0, 0.5, 0.5, 0.0]


@pytest.mark.parametrize("load", [0.5, 0.8])
def test_one_server_is_the_textbooks(load):
    """M/D/1 by Pollaczek and Khinchine: the mean wait is load / (2 (1 - load)) services."""
    times = [time * SLOTS for time in arrivals(load, 20_000, seed=1)]
    waits = simulated_waits(times, 1, SERVICE_S)
    assert statistics.fmean(waits) == pytest.approx(load / (2 * (1 - load)) * SERVICE_S, rel=0.03)


def erlang_c(servers, load):
    """The part of requests that wait in M/M/c."""
    blocked = 1.0
    for number in range(1, servers + 1):
        blocked = load * servers * blocked / (number + load * servers * blocked)
    return blocked / (1 - load * (1 - blocked))


@pytest.mark.parametrize("load", [0.5, 0.8])
def test_eight_servers_are_as_cosmetatos_has_them(load):
    """M/D/c from M/M/c by Cosmetatos (1975), good to about 2 %."""
    memoryless_s = erlang_c(SLOTS, load) * SERVICE_S / (SLOTS * (1 - load))
    bend = (1 - load) * (SLOTS - 1) * (math.sqrt(4 + 5 * SLOTS) - 2) / (16 * load * SLOTS)
    waits = simulated_waits(arrivals(load, 20_000, seed=2), SLOTS, SERVICE_S)
    assert statistics.fmean(waits) == pytest.approx(memoryless_s / 2 * (1 + bend), rel=0.05)


def test_arrivals_are_as_many_as_asked_for_and_the_same_again():
    times = arrivals(0.8, 1_000, seed=3)
    assert len(times) == pytest.approx(64_000, rel=0.02)
    assert times == sorted(times) == arrivals(0.8, 1_000, seed=3) and times[-1] < 1_000


def test_what_cannot_be_believed_is_told():
    cell = Cell("pfserve", (4, 2), 0.8)
    assert doubts({cell: [Waits(0.01, 0.1, 0.0005, 0)]}) == []
    assert "2 requests failed" in doubts({cell: [Waits(0.01, 0.1, 0.0, 2)]})[0]
    theirs = Cell(FLASK, cell.layout, cell.load)
    assert doubts({theirs: [Waits(0.01, 0.1, 0.0, 2)]}) == []
    assert "4x2 at 80%" in doubts({cell: [Waits(0.01, 0.1, 0.004, 0)]})[0]
