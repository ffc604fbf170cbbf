"""Latencies beside the distributions that they are drawn from."""

from __future__ import annotations

import math
import statistics
from pathlib import Path

import pytest

from pfserve.errors import ConfigError
from pfserve.stub.dice import Dice
from pfserve.stub.latency import Constant, Latency, LogNormal, Measured, parse_latency

Z99 = 2.3263478740  # the normal distribution's 99th percentile, from a table


def drawn(latency: Latency, count: int = 10_000, seed: int = 1) -> list[float]:
    return [latency.draw(Dice(seed, b"latency %d" % number)) for number in range(count)]


def test_constant():
    assert set(drawn(parse_latency("constant", 0.25), 10)) == {0.25}


def test_log_normal_has_its_median_its_mean_and_its_tail():
    latency = parse_latency("lognormal:800,0.5", 0)
    assert latency == LogNormal(0.8, 0.5)
    values = sorted(drawn(latency))
    assert statistics.median(values) == pytest.approx(0.8, rel=0.03)
    assert statistics.fmean(values) == pytest.approx(0.8 * math.exp(0.5**2 / 2), rel=0.03)
    assert values[9900] == pytest.approx(0.8 * math.exp(0.5 * Z99), rel=0.06)
    logarithms = [math.log(value / 0.8) for value in values]
    assert statistics.stdev(logarithms) == pytest.approx(0.5, rel=0.03)


def test_without_spread_it_is_the_median():
    assert drawn(parse_latency("lognormal:800,0", 0), 3) == pytest.approx([0.8] * 3)


def test_measured_latencies_come_equally_often(tmp_path: Path):
    (tmp_path / "ms.txt").write_text("# of last week\n100\n\n200.5\n100\n")
    latency = parse_latency(f"file:{tmp_path / 'ms.txt'}", 0)
    assert latency == Measured((0.1, 0.2005, 0.1))
    values = drawn(latency)
    assert set(values) == {0.1, 0.2005}
    assert values.count(0.1) == pytest.approx(6667, abs=4 * math.sqrt(10_000 * 2 / 9))


def test_the_seed_decides():
    latency = LogNormal(1, 1)
    assert drawn(latency, 5) == drawn(latency, 5)
    assert drawn(latency, 5) != drawn(latency, 5, seed=2)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("normal:1,2", "write constant, lognormal:MEDIAN_MS,SIGMA or file:PATH"),
        ("constant:5", "write constant"),
        ("lognormal", "write constant"),
        ("lognormal:800", "write constant"),
        ("lognormal:800,0.5,1", "write constant"),
        ("lognormal:0,0.5", "the median must be above 0"),
        ("lognormal:800,-1", "the sigma at least 0"),
        ("lognormal:nan,1", "the median must be above 0"),
        ("file:/no/such/file", "No such file"),
        ("file:", "directory"),
    ],
)
def test_what_is_no_distribution(text: str, said: str):
    with pytest.raises(ConfigError, match=said):
        parse_latency(text, 0)


@pytest.mark.parametrize("content", ["", "# nothing\n", "fast\n", "-1\n", "nan\n"])
def test_what_is_no_file_of_latencies(tmp_path: Path, content: str):
    (tmp_path / "a").write_text(content)
    with pytest.raises(ConfigError, match=r"--latency-dist = 'file:.*/a'"):
        parse_latency(f"file:{tmp_path / 'a'}", 0)


def test_two_latencies_are_one_too_many():
    with pytest.raises(ConfigError, match="it replaces --latency-ms"):
        parse_latency("lognormal:800,0.5", 0.1)


def test_nothing_is_the_default():
    assert Constant().latency_s == 0
