"""The regression gate's judgement: beside textbooks, and on thousands of fabricated runs."""

from __future__ import annotations

import itertools
import math
import random
import statistics

import pytest

from bench import baseline
from bench.against import LEAST, ROUNDS, TURNS
from bench.budgets import Sense
from bench.change import MISTAKEN, Outcome, paired, rank_sum, separate, sign_test
from bench.series import Series

LINES = 12  # that a run of the gate has
LEVEL = MISTAKEN / LINES
DRAWS = 3_000


def series(samples, system="pfserve"):
    return Series(system, "requests/s", "/s", tuple(samples))


def test_the_sign_test_of_a_textbook():
    # Dixon and Mood, 1946: 1 of 10 is beyond the 5 % point of the one-sided test (11 of 1024), 2 of 10 is not (56).
    assert sign_test([1.0] * 9 + [-1.0]) == 11 / 1024
    assert sign_test([0.001] * 8 + [-100.0] * 2) == 56 / 1024
    assert sign_test([0.0, 0.0]) == 1


def test_rank_sums_of_a_textbook():
    # Mann and Whitney, 1947: U = 0 for 3 and 3 is 1 of 20; for 4 and 4 U <= 1 is 2 of 70.
    assert rank_sum([4, 5, 6], [1, 2, 3]) == 1 / 20
    assert rank_sum([4, 6, 7, 8], [1, 2, 3, 5]) == pytest.approx(2 / 70)
    assert rank_sum([1, 2, 3], [4, 5, 6]) == 1


@pytest.mark.parametrize("values", [[1, 1, 2, 2, 3], [1, 1, 1, 1], [1, 2, 2, 4, 4, 4]])
def test_equals_are_counted_by_all_ways_there_are(values):
    middle = {
        value: sum(i for i, other in enumerate(sorted(values), 1) if other == value) / values.count(value)
        for value in values
    }
    ranks = [middle[value] for value in values]
    seen = sum(ranks[:2])
    ways = [sum(chosen) for chosen in itertools.combinations(ranks, 2)]
    assert rank_sum(values[:2], values[2:]) == pytest.approx(sum(way >= seen for way in ways) / len(ways))


def test_the_side_that_is_better_is_the_budgets():
    slow, fast = series([80.0 + n for n in range(ROUNDS)]), series([100.0 + n for n in range(ROUNDS)], "baseline")
    for sense, ours, theirs, outcome in (
        (Sense.AT_LEAST, slow, fast, Outcome.REGRESSED),
        (Sense.AT_LEAST, fast, slow, Outcome.IMPROVED),
        (Sense.AT_MOST, slow, fast, Outcome.IMPROVED),
        (Sense.AT_MOST, fast, slow, Outcome.REGRESSED),
    ):
        assert paired("k", sense, ours, theirs, level=LEVEL, least=LEAST).outcome is outcome
        assert separate("k", sense, ours, theirs, level=LEVEL, least=LEAST, luck=0.0).outcome is outcome


def test_what_is_certain_but_small_is_no_regression():
    ours, theirs = series([98.0] * ROUNDS), series([100.0] * ROUNDS, "baseline")
    found = paired("k", Sense.AT_LEAST, ours, theirs, level=LEVEL, least=LEAST)
    assert found.p < LEVEL
    assert found.outcome is Outcome.UNCHANGED


def test_too_few_rounds_say_so():
    ours, theirs = series([50.0] * 6), series([100.0] * 6, "baseline")
    assert paired("k", Sense.AT_LEAST, ours, theirs, level=0.01, least=LEAST).outcome is Outcome.TOO_FEW
    short = series([100.0] * 3), series([50.0] * 3, "baseline")
    assert separate("k", Sense.AT_LEAST, *short, level=0.01, least=LEAST, luck=0.0).outcome is Outcome.TOO_FEW


# -- Fabricated runs -------------------------------------------------------------------------------


def quiet(chance):
    return chance.gauss(0, 0.02)


def noisy(chance):
    return chance.gauss(0, 0.10)


def heavy(chance):
    """Student's t with 2 degrees of freedom: no variance."""
    return 0.02 * chance.gauss(0, 1) / math.sqrt(chance.expovariate(1))


def stalled(chance):
    """One load in twenty takes half as long again, or twice as long."""
    return chance.gauss(0, 0.02) + (chance.choice((0.4, 0.7)) if chance.random() < 1 / 20 else 0.0)


NOISES = {noise.__name__: noise for noise in (quiet, noisy, heavy, stalled)}


def steady(chance, number):
    return 0.0


def sliding(chance, number):
    """The machine loses 4 % a round."""
    return 0.04 * number


def stepping(chance, number):
    """Half-way somebody else comes."""
    return 0.6 if number >= ROUNDS // 2 else 0.0


DRIFTS = {drift.__name__: drift for drift in (steady, sliding, stepping)}


def interleaved(chance, noise, drift, worse):
    """What a run gives: times of ours and of the baseline. Drift goes on within a round."""
    sides = [], []
    for number in range(1, ROUNDS + 1):
        loads = [], []
        for turn, place in enumerate(TURNS):
            loads[place].append(100 * math.exp(drift(chance, number + turn / len(TURNS)) + noise(chance)))
        first, second = map(statistics.median, loads)
        ours, theirs = (first, second) if number % 2 else (second, first)
        sides[0].append(ours * worse)
        sides[1].append(theirs)
    ours, theirs = series(sides[0]), series(sides[1], "baseline")
    return paired("k", Sense.AT_MOST, ours, theirs, level=LEVEL, least=LEAST).outcome


def apart(chance, noise, worse):
    """Two runs on two days: each has its own luck besides that of its rounds."""
    sides = [
        [math.exp(luck + noise(chance)) for _ in range(ROUNDS)]
        for luck in (chance.gauss(0, 0.02), chance.gauss(0, 0.02))
    ]
    ours, theirs = series([worse * one for one in sides[0]]), series(sides[1], "baseline")
    return separate("k", Sense.AT_MOST, ours, theirs, level=LEVEL, least=baseline.LEAST, luck=baseline.LUCK).outcome


@pytest.mark.parametrize("drift", DRIFTS)
@pytest.mark.parametrize("noise", NOISES)
def test_noise_alone_is_no_regression(noise, drift):
    """A run has LINES lines, and of all runs one in a hundred at most may be mistaken."""
    chance = random.Random(f"{noise} {drift}")
    mistaken = sum(interleaved(chance, NOISES[noise], DRIFTS[drift], 1.0) is Outcome.REGRESSED for _ in range(DRAWS))
    assert mistaken / DRAWS <= LEVEL + 3 * math.sqrt(LEVEL / DRAWS)


def test_of_a_hundred_runs_without_a_change_one_at_most_is_mistaken():
    chance = random.Random(7)

    def line():
        noise, drift = chance.choice([*NOISES.values()]), chance.choice([*DRIFTS.values()])
        return interleaved(chance, noise, drift, 1.0) is Outcome.REGRESSED

    runs = 2_000
    assert sum(any(line() for _ in range(LINES)) for _ in range(runs)) / runs <= 0.01


@pytest.mark.parametrize("drift", ["steady", "stepping"])
@pytest.mark.parametrize(("noise", "often"), [("quiet", 0.99), ("heavy", 0.97), ("stalled", 0.97)])
def test_a_tenth_is_found(noise, often, drift):
    chance = random.Random(f"{noise} {drift}")
    found = sum(interleaved(chance, NOISES[noise], DRIFTS[drift], 1.1) is Outcome.REGRESSED for _ in range(500))
    assert found / 500 >= often


@pytest.mark.parametrize("noise", NOISES)
def test_noise_between_two_runs_is_no_regression(noise):
    chance = random.Random(noise)
    mistaken = sum(apart(chance, NOISES[noise], 1.0) is Outcome.REGRESSED for _ in range(DRAWS))
    assert mistaken / DRAWS <= LEVEL + 3 * math.sqrt(LEVEL / DRAWS)


def test_a_fifth_is_found_between_two_runs():
    chance = random.Random(1)
    assert sum(apart(chance, quiet, 1.2) is Outcome.REGRESSED for _ in range(500)) / 500 >= 0.99
