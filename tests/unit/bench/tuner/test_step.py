"""Which setting comes next: against simulated servers, over many seeds, and as a table of histories."""

from __future__ import annotations

import pytest

from bench.mistake import Mistake
from bench.tuner import Facts, Goal, Limit, Score, Setting, Space, Step, Verdict, documented, step
from bench.tuner.step import Ending
from simulated import CORES, Flow, facts, truth, tune

SPACE = Space([1, 2, 3, 4], [1, 4, 16, 64], [4, 16, 64, 256, 1024])
GOAL = Goal((Limit("95", 2.0),), 0.01)
SHARE = 0.2  # of the grid's trials, repeats included
MOST = int(SHARE * len(SPACE))
NOISE = 0.03
SEEDS = range(20)
FLOWS = {
    "blocking": Flow(cpu_s=0.002, blocks_s=0.1, waits_s=0),
    "mixed": Flow(cpu_s=0.003, blocks_s=0.02, waits_s=1.0),
    "computing": Flow(cpu_s=0.02, blocks_s=0, waits_s=0),
    "a model": Flow(cpu_s=0.001, blocks_s=0, waits_s=0.8),
    "slow and blocking": Flow(cpu_s=0.004, blocks_s=1.0, waits_s=0),
}


@pytest.mark.parametrize("name", FLOWS)
def test_what_it_finds_is_within_five_percent_of_the_best_of_the_whole_grid(name):
    """Budget B2, with the simulated server's true goodput instead of the median of five repeats."""
    flow = FLOWS[name]
    grid = {setting: truth(flow, setting, GOAL) for setting in SPACE}
    best = max(grid.values())
    for seed in SEEDS:
        verdict, scores = tune(flow, SPACE, GOAL, MOST, seed, NOISE)
        assert len(scores) <= MOST
        assert grid[verdict.setting] >= 0.95 * best or verdict.low_per_s <= best <= verdict.high_per_s, (seed, verdict)
        assert grid[verdict.setting] > 1.5 * grid[SPACE.snap(documented(CORES, flow.latency_s))]


def test_slots_follow_what_blocks_and_not_the_whole_time_of_a_request():
    """Both flows take a second. The one that awaits it needs a few slots, the other all there are."""
    awaiting, _ = tune(FLOWS["mixed"], SPACE, GOAL, MOST, 0, NOISE)
    blocking, _ = tune(FLOWS["slow and blocking"], SPACE, GOAL, MOST, 0, NOISE)
    assert awaiting.setting.slots <= 64
    assert blocking.setting.slots == 256


@pytest.mark.parametrize("seed", range(10))
def test_the_least_memory_that_serves_a_rate(seed):
    """150 requests/s that block for 100 ms need 15 slots at least: the cheapest have one worker."""
    flow = FLOWS["blocking"]
    goal = Goal((Limit("95", 2.0),), 0.01, rate_per_s=150)
    verdict, scores = tune(flow, SPACE, goal, MOST, seed, NOISE)
    able = sorted(setting for setting in SPACE if truth(flow, setting, GOAL) >= 150)
    assert verdict.ending is Ending.CHEAPEST
    assert verdict.setting.workers == able[0].workers == 1
    assert verdict.setting.slots <= 64
    assert len(scores) <= MOST


def test_a_goal_that_nothing_reaches_is_told_with_the_nearest():
    goal = Goal((Limit("95", 0.05),), 0.01)  # the flow alone takes 100 ms
    verdict, scores = tune(FLOWS["blocking"], SPACE, goal, MOST, 0, NOISE)
    assert verdict.ending is Ending.UNREACHED
    assert verdict.goodput_per_s == 0
    assert len(scores) == 1


def test_it_gives_up_after_four_settings_that_serve_nothing():
    """A request alone is quick enough, and yet no rate is."""
    nothing = [Score(setting, 0.0, reached=False) for setting in list(SPACE)[:4]]
    asked = step(SPACE, GOAL, KNOWN, nothing, MOST)
    assert isinstance(asked, Verdict)
    assert asked.ending is Ending.UNREACHED
    assert isinstance(step(SPACE, GOAL, KNOWN, nothing[:3], MOST), Step)


def test_a_rate_beyond_everything_is_told_too():
    goal = Goal((Limit("95", 2.0),), 0.01, rate_per_s=10_000)
    verdict, _ = tune(FLOWS["computing"], SPACE, goal, MOST, 0, NOISE)
    assert verdict.ending is Ending.UNREACHED
    assert 80 < verdict.goodput_per_s < 130  # what came nearest


def test_the_same_trials_give_the_same_answer():
    first, scores = tune(FLOWS["mixed"], SPACE, GOAL, MOST, 3, NOISE)
    for index in range(len(scores)):
        asked = step(SPACE, GOAL, facts(FLOWS["mixed"]), scores[:index], MOST)
        assert isinstance(asked, Step)
        assert asked.setting == scores[index].setting
    assert step(SPACE, GOAL, facts(FLOWS["mixed"]), scores, MOST) == first


TWO = Space([1, 2], [1], [4])
KNOWN = Facts(cores=2, latency_s=0.1, cpu_s=0.05, hold_s=0.1)
A, B = Setting(1, 1, 4), Setting(2, 1, 4)


def scores(**figures):
    return [Score({"a": A, "b": B}[name], figure, figure > 0) for name, row in figures.items() for figure in row]


@pytest.mark.parametrize(
    ("history", "expected"),
    [
        ({}, B),  # the documented rule first
        ({"b": [20]}, B),  # the model rules the other out: how sure is it
        ({"b": [20, 21, 20.5], "a": [10]}, Ending.SEPARATED),
        ({"b": [20.0], "a": [19.9]}, B),  # noise decides: in turn
        ({"b": [20.0, 20.1], "a": [19.9]}, A),
        ({"b": [20.0, 20.1, 20.05], "a": [19.9, 20.0, 19.95]}, Ending.COVERED),
        ({"b": [20.0, 30.0, 20.0], "a": [16.0]}, A),  # so noisy that one trial of the other says little
        ({"b": [20, 26, 14, 20, 20], "a": [19, 13, 25, 19, 19]}, Ending.REPEATED),
        ({"b": [0, 0, 0], "a": [0]}, Ending.UNREACHED),
    ],
)
def test_histories(history, expected):
    asked = step(TWO, GOAL, KNOWN, scores(**history), 20)
    assert (asked.ending if isinstance(asked, Verdict) else asked.setting) == expected


def test_it_stops_when_the_trials_are_used_up():
    asked = step(TWO, GOAL, KNOWN, scores(b=[20.0], a=[19.9]), 2)
    assert isinstance(asked, Verdict)
    assert asked.ending is Ending.EXHAUSTED


@pytest.mark.parametrize(
    ("latency_s", "expected"), [(0.2, Setting(4, 1, 8)), (0.201, Setting(4, 1, 4)), (2, Setting(4, 1, 4))]
)
def test_the_documented_rule(latency_s, expected):
    assert documented(4, latency_s) == expected


def test_there_are_never_more_workers_than_twice_the_cores():
    assert list(Space.of(3).workers) == [1, 2, 3, 4, 5, 6]


@pytest.mark.parametrize("text", ["", "p95", "p95=", "p94=2s", "95=2s", "p95=0s", "p95=-1s"])
def test_limits_that_are_none(text):
    with pytest.raises(Mistake, match=r"--slo|length of time"):
        Limit.parse(text)


def test_limits():
    assert Limit.parse("p99.9 = 250ms") == Limit("99.9", 0.25)
