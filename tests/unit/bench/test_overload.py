from __future__ import annotations

import math

import msgspec
import pytest

from bench.overload import Round, Shot, _computing_verdicts, _series, _waiting_verdicts, doubts, shot
from bench.sample import Outcome
from records import sample, told_by

FULL = Shot(600.0, 0.102, None, 0.0005, 0.003, 0.0, ())
OVER = Shot(590.0, 0.11, 0.0015, 0.0005, 0.004, 0.0, ())
ROUND = Round(FULL, msgspec.structs.replace(FULL, accepted_p99_s=0.1), OVER)


def over(**changes):
    return msgspec.structs.replace(ROUND, overload=msgspec.structs.replace(OVER, **changes))


def test_a_shot_tells_served_from_refused_and_from_lost(tmp_path):
    samples = [
        *(sample(1000 + number, latency_ms=100) for number in range(50)),
        *(sample(2000 + number, latency_ms=3, outcome=Outcome.REFUSED, status=429) for number in range(50)),
        sample(3000, latency_ms=9000, outcome=Outcome.FAILED, status=503),
    ]
    told = told_by(tmp_path / "a.pftrial", samples)
    seen = shot(told, [0.001] * 99 + [10.0], 0.25)
    assert seen.goodput_per_s == pytest.approx(50 / told.measured_s)
    assert seen.accepted_p99_s == pytest.approx(0.1, rel=2e-3)
    assert seen.refused_p99_s == pytest.approx(0.003, rel=2e-3)
    assert seen.foreign_cores == 0.25
    assert seen.doubts == ("1 requests were neither served nor refused", "1 probes of /health had no 200")


def test_where_nobody_is_refused_there_is_no_time_for_it(tmp_path):
    assert shot(told_by(tmp_path / "a.pftrial", [sample(1000)]), [0.001] * 10, 0.0).refused_p99_s is None


def test_waiting_flows_are_judged_by_four_clauses():
    goodput, p99, refusal, health = _waiting_verdicts("async", [ROUND])
    assert goodput.measured.median == pytest.approx(590 / 600)
    assert p99.measured.median == pytest.approx(1.1)
    assert refusal.measured.median == pytest.approx(1.5)
    assert health.measured.median == pytest.approx(4)
    assert all(verdict.met for verdict in (goodput, p99, refusal, health))


@pytest.mark.parametrize(
    ("changes", "missed"),
    [
        ({"goodput_per_s": 560.0}, "P10.async-goodput"),
        ({"accepted_p99_s": 0.121}, "P10.async-p99"),
        ({"refused_p99_s": 0.0021}, "P10.async-refusal"),
        ({"refused_p99_s": None}, "P10.async-refusal"),
        ({"health_p99_s": 0.101}, "P10.async-health"),
    ],
)
def test_each_clause_can_be_missed(changes, missed):
    verdicts = _waiting_verdicts("async", [over(**changes)])
    assert [verdict.budget.key for verdict in verdicts if not verdict.met] == [missed]


def test_refusals_beside_threads_that_compute_are_judged_with_one_thread_and_health_with_the_slowest():
    refusal, health = _computing_verdicts({1: [over(refused_p99_s=0.004)], 4: [over(refused_p99_s=1, health_p99_s=2)]})
    assert (refusal.measured.median, refusal.met) == (pytest.approx(4), True)
    assert (health.measured.median, health.met) == (pytest.approx(2000), False)


def test_what_did_not_occur_is_in_no_table():
    series = _series("async", [ROUND])
    assert "async, overload: refused, p99" in [one.quantity for one in series]
    assert "async, peak: refused, p99" not in [one.quantity for one in series]
    assert not any(math.isnan(one.median) for one in series)


def test_what_cannot_be_believed_is_told():
    assert doubts("async", [ROUND]) == []
    assert "async, overload: the generator was late" in doubts("async", [over(doubts=("the generator was late",))])[0]
    assert "nobody was refused" in doubts("async", [over(refused_p99_s=None)])[0]
    assert doubts("async", [over(late_p99_s=0.001, refused_p99_s=0.0015)]) == []
    assert "1.1 ms may be the generator's" in doubts("async", [over(late_p99_s=0.0011)])[0]
    assert "6.0 ms may be the generator's" in doubts("async", [over(late_p99_s=0.006, refused_p99_s=0.02)])[0]
    busy = Round(*(msgspec.structs.replace(one, foreign_cores=0.5) for one in (FULL, FULL, OVER)))
    assert "others used 0.50 cores" in doubts("async", [busy])[0]
