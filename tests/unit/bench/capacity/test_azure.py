"""The platform's limits and formulas, by the examples of its own pages."""

from __future__ import annotations

import pytest

from bench.capacity import azure


def test_connections_bind_where_requests_last_longer_than_a_second() -> None:
    quick = azure.ceilings(0.1, 0.0, new_connections=False)
    slow = azure.ceilings(4.0, 0.0, new_connections=True)
    assert [(each.name, each.per_s) for each in quick] == [("500 requests/s", 500), ("500 active connections", 5000)]
    assert (slow[0].name, slow[0].per_s) == ("500 active connections", 125)


def test_large_answers_meet_the_bandwidth_first() -> None:
    assert azure.ceilings(0.1, 100_000, new_connections=False)[0].per_s == 50


@pytest.mark.parametrize(("instances", "cores", "charged"), [(3, 4, 16), (5, 2, 12), (10, 4, 48), (1, 8, 16)])
def test_a_fifth_more_is_charged_to_the_quota(instances: int, cores: int, charged: int) -> None:
    assert azure.quota(instances, cores) == charged


def test_the_formula_of_the_documentation() -> None:
    # 20 requests/s of 10 s, each instance 4 at once: ceil(20 * 10 / 0.7 / 4)
    assert azure.formula(20, 10, 4) == 72


def test_the_rule_of_200_ms() -> None:
    assert azure.concurrency(8, 50, blocking=True, latency_s=0.3) == 8
    assert azure.concurrency(8, 50, blocking=True, latency_s=0.2) == 12
    assert azure.concurrency(8, 50, blocking=False, latency_s=0.2) == 50


def test_machines_that_retire_say_so() -> None:
    machine = azure.sku("standard_f4s_v2")
    assert machine is not None and "retires on 2028-11-15" in azure.warnings(machine)
