"""Promises, and records that keep them or do not."""

from __future__ import annotations

import pytest

from bench.mistake import Mistake
from bench.recorder import read
from bench.sample import Outcome
from bench.trial import Promise, keeping
from records import sample, told_by


@pytest.fixture
def kept(tmp_path):
    """How a record of these samples keeps a promise."""

    def tell(samples, text="p95<100ms"):
        told_by(tmp_path / "a.pftrial", samples)
        return keeping(read(tmp_path / "a.pftrial"), Promise.parse(text))

    return tell


def test_so_many_within_the_limit_are_enough_and_one_less_is_not(kept):
    def among(slow):
        return [sample(1000 + n, latency_ms=101 if n < slow else 100) for n in range(100)]

    assert str(kept(among(5))) == "p95<100ms: kept, 95 % of 100 requests"
    assert str(kept(among(6))) == "p95<100ms: BROKEN, 94 % of 100 requests"
    assert kept(among(6), "p90<100ms").is_kept


@pytest.mark.parametrize("outcome", [Outcome.REFUSED, Outcome.FAILED, Outcome.DROPPED, Outcome.TIMED_OUT])
def test_who_is_refused_or_fails_fast_was_not_answered_well(kept, outcome):
    samples = [sample(1000 + n, outcome=outcome if n < 6 else Outcome.SUCCESS) for n in range(100)]
    assert not kept(samples).is_kept


def test_a_refused_request_that_came_again_is_one_request(kept):
    first = sample(1000, latency_ms=10, outcome=Outcome.REFUSED, status=429)
    assert str(kept([first, sample(1000, latency_ms=90, attempt=1)])) == "p95<100ms: kept, 100 % of 1 requests"
    assert not kept([first, sample(1000, latency_ms=110, attempt=1)]).is_kept


def test_the_warm_up_does_not_count_and_nothing_is_not_kept(kept):
    assert kept([sample(10, latency_ms=900), sample(1000)]).is_kept
    assert not kept([sample(10)]).is_kept


@pytest.mark.parametrize("text", ["p95", "p0<1s", "p100<1s", "95<1s", "p95<soon", "p95>1s"])
def test_what_is_no_promise_is_named(text):
    with pytest.raises(Mistake, match=r"write|length of time"):
        Promise.parse(text)
