from __future__ import annotations

import random
import statistics

import pytest

from bench.durations import seconds, written
from bench.mistake import Mistake
from bench.schedule import Think, Thinking


@pytest.mark.parametrize(
    ("text", "length_s"),
    [("500ms", 0.5), ("30s", 30), ("2m", 120), ("1h", 3600), ("7d", 604_800), ("1.5", 1.5), (" 5 s ", 5)],
)
def test_lengths_of_time(text, length_s):
    assert seconds(text) == length_s


@pytest.mark.parametrize("text", ["", "s", "-1s", "5 days", "1e3"])
def test_what_is_no_length_of_time(text):
    with pytest.raises(Mistake, match="no length of time"):
        seconds(text)


@pytest.mark.parametrize(
    ("length_s", "text"), [(0, "0 us"), (12e-6, "12 us"), (0.0123, "12.3 ms"), (2.5, "2.5 s"), (600, "10 min")]
)
def test_lengths_are_written_for_readers(length_s, text):
    assert written(length_s) == text


def test_thinking():
    assert Think.parse("1s") == Think(1, Thinking.CONSTANT)
    assert Think.parse("exp:500ms") == Think(0.5, Thinking.EXPONENTIAL)
    with pytest.raises(Mistake, match="--think normal:1s"):
        Think.parse("normal:1s")


def test_exponential_thinking_has_its_mean_and_repeats_itself():
    dice, again = random.Random(1), random.Random(1)
    drawn = [Think(2, Thinking.EXPONENTIAL).draw(dice) for _ in range(10_000)]
    assert statistics.fmean(drawn) == pytest.approx(2, rel=0.04)
    assert statistics.stdev(drawn) == pytest.approx(2, rel=0.04)
    assert drawn[:5] == [Think(2, Thinking.EXPONENTIAL).draw(again) for _ in range(5)]
    assert Think(0.25).draw(dice) == 0.25
