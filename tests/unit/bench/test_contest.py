from __future__ import annotations

from contextlib import nullcontext

import msgspec
import pytest

from bench.contest import CPU_PER_REQUEST, P50, P99, REQUESTS_PER_S, Contest, Sample, check_answers
from bench.server import Launch
from bench.throughput import BODY, unseen
from bench.wrk import Reading


def sample(rate=1000.0, *, failures=0, generator=0.3, server=1.5, foreign=0.0):
    return Sample(Reading(rate, 0.001, 0.004, failures, generator), server, foreign)


def contest(*samples):
    return Contest("async echo", {"pfserve": list(samples)})


def test_quantities_in_their_units():
    held = contest(sample(1000.0), sample(2000.0))
    assert held.of("pfserve", REQUESTS_PER_S).samples == (1000.0, 2000.0)
    assert held.of("pfserve", P50).median == pytest.approx(1.0)
    assert held.of("pfserve", P99).median == pytest.approx(4.0)
    assert held.of("pfserve", CPU_PER_REQUEST).samples == pytest.approx((1500.0, 750.0))  # in us: 1.5 cores


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
    ],
    ids=["same", "another answer", "another status"],
)
def test_nobody_wins_by_doing_less(other, alike):
    servers = [FakeServer("pfserve", b'{"answer":"a"}'), other]
    with nullcontext() if alike else pytest.raises(RuntimeError, match="do not answer alike"):
        check_answers(servers, "{}")


def test_no_two_probes_are_the_same():
    assert len({unseen() for _ in range(100)}) == 100
    assert all(set(msgspec.json.decode(body)) == {"text"} for body in (unseen(), BODY))
