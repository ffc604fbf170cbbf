from __future__ import annotations

from contextlib import nullcontext

import msgspec
import pytest

from bench.contest import Contest, Sample, check_answers
from bench.server import Launch
from bench.systems import JSON_ONLY
from bench.throughput import BODY, unseen
from bench.wrk import Load, Reading


def sample(rate=1000.0, *, failures=0, generator=0.3, server=1.5, foreign=0.0):
    return Sample(Reading(4000, rate, 0.001, 0.004, failures, generator), server, foreign)


def contest(*samples, threads=1):
    return Contest("async echo", Load(16, 4, "{}", threads), {"pfserve": list(samples)})


def test_quantities_in_their_units():
    held = contest(sample(1000.0), sample(2000.0))
    assert held.requests_per_s("pfserve").samples == (1000.0, 2000.0)
    assert held.p50_ms("pfserve").median == pytest.approx(1.0)
    assert held.p99_ms("pfserve").median == pytest.approx(4.0)
    (cpu,) = [series for series in held.series() if "per request" in series.quantity]
    assert cpu.samples == pytest.approx((1500.0, 750.0))  # 1.5 cores over 1000 and 2000 requests/s, in us


@pytest.mark.parametrize(
    ("samples", "doubt"),
    [
        ([sample()], None),
        ([sample(), sample(failures=3), sample(failures=1)], "4 requests failed"),
        ([sample(foreign=0.5), sample(foreign=0.5), sample()], "others used 0.50 cores"),
        ([sample(foreign=0.5), sample(), sample()], None),  # one disturbed round cannot move a median
        ([sample(generator=0.97)], "was the limit itself"),
    ],
)
def test_doubts(samples, doubt):
    voids = contest(*samples).voids()
    if doubt is None:
        assert voids == ()
    else:
        (void,) = voids
        assert doubt in void
        assert void.startswith("async echo, pfserve: ")


def test_two_generator_threads_may_use_more_than_one_core():
    assert contest(sample(generator=1.2), threads=2).voids() == ()


class FakeServer:
    def __init__(self, system, answer, status=200):
        self.launch = Launch(system, ())
        self._reply = status, answer

    def ask(self, method, path, body):
        return self._reply


@pytest.mark.parametrize(
    ("other", "alike"),
    [
        (FakeServer("peer", b'{ "answer": "a" }'), True),  # spacing is not part of the answer
        (FakeServer("peer", b'{"answer":"b"}'), False),
        (FakeServer("peer", b'{"answer":"a"}', 500), False),
        (FakeServer(JSON_ONLY, b'{"answer":"b"}'), True),
    ],
    ids=["same", "another answer", "another status", "the JSON-only server"],
)
def test_nobody_wins_by_doing_less(other, alike):
    servers = [FakeServer("pfserve", b'{"answer":"a"}'), other]
    with nullcontext() if alike else pytest.raises(RuntimeError, match="do not answer alike"):
        check_answers(servers, "/score", "{}")


def test_no_two_probes_are_the_same():
    assert len({unseen() for _ in range(100)}) == 100
    assert all(set(msgspec.json.decode(body)) == {"text"} for body in (unseen(), BODY))
