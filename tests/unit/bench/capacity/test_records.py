"""Recorded trials as what a forecast starts from."""

from __future__ import annotations

import msgspec
import pytest

from bench.blocks import Kind
from bench.capacity.records import from_records
from bench.mistake import Mistake
from bench.recorder import End
from bench.sample import Outcome
from bench.schedule import Closed
from bench.vitals import Vitals
from records import WHOLE, sample, told_by


def vitals(at_s, cpu_s):
    return Kind.VITALS, msgspec.json.encode(Vitals(at_s, cpu_s, 80_000_000, 0, 0, [(4242, 1)]))


def record(path, *, every_ms, latency_ms=20, cpu_ms=None, refused=0.0, load=None, end=WHOLE):
    """Ten seconds of requests after one of warm-up. ``cpu_ms``: of the server, for each success."""
    times = [1000 + at * every_ms for at in range(int(10_000 / every_ms))]
    keep = int(len(times) * (1 - refused))
    samples = [
        sample(at, latency_ms, **({} if index < keep else {"status": 429, "outcome": Outcome.REFUSED}))
        for index, at in enumerate(times)
    ]
    blocks = [] if cpu_ms is None else [vitals(1.0, 5.0), vitals(11.0, 5.0 + keep * cpu_ms / 1e3)]
    told_by(path, samples, *blocks, end=end, **({"load": load} if load else {}))
    return path


def test_one_calm_trial_tells_times_cpu_and_size(tmp_path):
    known = from_records([record(tmp_path / "calm", every_ms=100, cpu_ms=6)])
    assert known.count == 100 and known.times.mean_s == pytest.approx(0.019)  # from the real start
    assert known.cpu_s == pytest.approx(0.006, rel=0.02) and known.busy_cpu_s is None
    assert known.rates_per_s == pytest.approx((10, 10), rel=0.02)
    assert known.memory_bytes == 80_000_000 and known.inside == pytest.approx(0.19, rel=0.02)
    assert known.points == ()


def test_the_quietest_tells_times_and_the_busiest_that_was_borne_the_cpu_under_load(tmp_path):
    records = [
        record(tmp_path / "flooded", every_ms=2, latency_ms=300, cpu_ms=9, refused=0.5),
        record(tmp_path / "calm", every_ms=100, cpu_ms=6),
        record(tmp_path / "busy", every_ms=5, latency_ms=40, cpu_ms=6.5),
    ]
    known = from_records(records)
    assert known.origin == "100 requests of calm, the quietest of 3 records"
    assert known.cpu_s == pytest.approx(0.006, rel=0.02) and known.busy_cpu_s == pytest.approx(0.0065, rel=0.02)
    assert known.rates_per_s == pytest.approx((10, 250), rel=0.03)


def test_closed_trials_are_points_of_the_scalability_law(tmp_path):
    levels = {1: 50, 2: 26, 4: 14, 8: 8}
    paths = [record(tmp_path / str(n), every_ms=every, load=Closed(users=n)) for n, every in levels.items()]
    known = from_records(paths)
    assert [users for users, _ in known.points] == [1, 2, 4, 8]
    assert [per_s for _, per_s in known.points] == pytest.approx([20, 38.4, 71.4, 125], rel=0.02)


def test_a_server_that_somebody_else_started_tells_no_cpu(tmp_path):
    assert from_records([record(tmp_path / "calm", every_ms=100)]).cpu_s is None


def test_nothing_but_refusals_are_no_start(tmp_path):
    with pytest.raises(Mistake, match="no request succeeded"):
        from_records([record(tmp_path / "full", every_ms=100, refused=1.0)])


def test_what_is_void_or_partial_is_doubted(tmp_path):
    void = record(tmp_path / "void", every_ms=100, end=End(complete=True, voids=("the clock jumped",)))
    partial = record(tmp_path / "partial", every_ms=50, end=End(complete=False, reason="interrupted"))
    told = from_records([void, partial]).doubts
    assert "void is void: the clock jumped" in told and "partial is partial: interrupted" in told
