from __future__ import annotations

import pytest

from bench.generator.fleet import shares
from bench.generator.plan import Plan
from bench.schedule import Closed, Span
from bench.workload import Target, Workload

PLAN = Plan(
    load=Closed(8), span=Span(count=10), workload=Workload(Target("h", 1, "/"), ()), address="127.0.0.1", seed=1,
    processes=3, connections=8, max_in_flight=100, timeout_s=1,
)  # fmt: skip


def test_limits_are_divided_and_nothing_is_lost():
    parts = shares(PLAN)
    assert [part.index for part in parts] == [0, 1, 2]
    assert [part.connections for part in parts] == [3, 3, 2]
    assert [part.max_in_flight for part in parts] == [34, 33, 33]


@pytest.mark.parametrize("field", ["load", "span", "workload", "seed", "processes", "timeout_s"])
def test_the_rest_is_the_same_for_all(field):
    assert {repr(getattr(part, field)) for part in shares(PLAN)} == {repr(getattr(PLAN, field))}
