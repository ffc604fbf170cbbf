"""Which setting comes next: against simulated servers, over many seeds, and as a table of histories."""

from __future__ import annotations

import math
import random
import statistics

import msgspec
import pytest

from bench.mistake import Mistake
from bench.tuner import Facts, Goal, Limit, Score, Setting, Space, Step, Verdict, documented, step
from bench.tuner.model import CROWDS, forecast, is_limited
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


def test_a_flow_that_only_waits_gets_no_threads_for_nothing():
    """Here one thread a worker serves exactly as much as 64, and a second worker twice as much."""
    truly = Facts(CORES, latency_s=0.8, cpu_s=0.002, hold_s=1e-6)
    found = [tune_exactly(truly, seed) for seed in SEEDS]
    assert statistics.median(setting.threads for setting in found) <= 8
    assert statistics.median(setting.workers for setting in found) == 2


def tune_exactly(truly: Facts, seed: int) -> Setting:
    """A server that does what the model says, of which the tuner does not know how little it blocks."""
    dice, told = random.Random(seed), []
    known = msgspec.structs.replace(truly, hold_s=truly.latency_s / CROWDS[-1])
    while isinstance(asked := step(Space.of(CORES), GOAL, known, told, 24), Step):
        per_s = forecast(asked.setting, truly, 2.0) * math.exp(dice.gauss(0, NOISE))
        told.append(Score(asked.setting, per_s, reached=True))
    return asked.setting


@pytest.mark.parametrize("seed", range(10))
def test_the_least_memory_for_a_flow_that_only_waits_is_one_worker_of_one_thread(seed):
    goal = Goal((Limit("95", 2.0),), 0.01, rate_per_s=100)
    verdict, _ = tune(FLOWS["a model"], SPACE, goal, MOST, seed, NOISE)
    assert (verdict.setting.workers, verdict.setting.threads) == (1, 1)


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
        ({"b": [20.0, 20.1, 20.05], "a": [19.0]}, A),  # cheaper: it may prove as good
        ({"b": [20.0, 20.1, 20.05], "a": [19.0, 19.1, 19.05]}, Ending.SEPARATED),  # it did not
        ({"b": [20.0, 30.0, 20.0], "a": [16.0]}, A),  # so noisy that one trial of the other says little
        ({"b": [20, 26, 14, 20, 20], "a": [19, 13, 25, 19, 19]}, Ending.REPEATED),
        ({"b": [0, 0, 0], "a": [0]}, Ending.UNREACHED),
    ],
)
def test_histories(history, expected):
    asked = step(TWO, GOAL, KNOWN, scores(**history), 20)
    assert (asked.ending if isinstance(asked, Verdict) else asked.setting) == expected


@pytest.mark.parametrize(
    ("history", "expected"),
    [
        ({"b": [20.0, 20.1, 20.05], "a": [19.9, 20.0, 19.95]}, A),  # as good, and one worker
        ({"b": [20.0, 20.1, 20.05], "a": [19.3, 19.4, 19.35]}, B),  # 3 % less is less
        ({"b": [20.0], "a": [19.9]}, A),
        ({"b": [20.0], "a": [19.7]}, B),  # may be as good, but one trial each does not say so
    ],
)
def test_of_those_that_noise_does_not_tell_apart_the_cheapest_is_chosen(history, expected):
    told = scores(**history)
    verdict = step(TWO, GOAL, KNOWN, told, len(told))
    assert isinstance(verdict, Verdict)
    assert verdict.setting == expected


def test_the_interval_is_as_wide_as_repeats_of_others_say():
    """One trial of the chosen one, beside one that was seen to move by a third."""
    verdict = step(TWO, GOAL, KNOWN, scores(b=[20.0, 30.0, 10.0], a=[40.0]), 4)
    assert isinstance(verdict, Verdict)
    assert verdict.setting == A
    assert verdict.low_per_s < 20
    assert verdict.high_per_s > 80


def test_what_waits_is_told_from_what_blocks_by_a_larger_crowd():
    assert not is_limited(1.0, 16, 15.8)
    assert is_limited(0.1, 16, 10.0)
    assert facts(FLOWS["mixed"]).hold_s == pytest.approx(0.023)
    assert facts(FLOWS["a model"]).hold_s < 0.004


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
    assert Limit.parse("p95<2s") == Limit.parse("p95<=2s") == Limit.parse("p95=2s")  # run and capacity write it so
