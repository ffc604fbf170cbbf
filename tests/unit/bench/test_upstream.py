from __future__ import annotations

import pytest

from bench.coldstart import doubts
from bench.contest import Sample
from bench.upstream import Calls
from bench.wrk import Reading


def test_handshakes_are_told_for_each_worker_and_a_thousand_calls():
    run = Calls(Sample(Reading(5000.0, 0.001, 0.004, 0), 1.0, 0.0), calls=20_000, handshakes=16, connections=12)
    assert run.per_worker_and_1000(run.handshakes) == pytest.approx(0.4)  # 8 a worker, twenty thousands
    assert run.per_worker_and_1000(run.connections) == pytest.approx(0.3)


@pytest.mark.parametrize(("foreign_cores", "count"), [(0.0, 0), (0.1, 0), (0.3, 1)])
def test_a_cold_start_on_a_busy_machine_is_doubted(foreign_cores, count):
    assert len(doubts(foreign_cores)) == count
