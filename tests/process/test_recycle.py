"""Workers that have served, or grown, enough are replaced while clients notice nothing."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from eventually import eventually
from instance import Instance, instance, write_flow
from load import pressing


@pytest.fixture
def flow(tmp_path: Path) -> Path:
    return write_flow(tmp_path / "flow")


def recycled(server: Instance) -> list[str]:
    """Why workers were replaced, in order; each told only once its replacement was ready."""
    return re.findall(r"worker pid \d+: retires: (has .*)", server.log())


def test_workers_that_have_served_enough_are_replaced_one_after_the_other(flow: Path) -> None:
    with instance(flow, "--max-requests=300", "--max-concurrent-requests=64") as server:
        first = set(server.ready().workers())
        with pressing(server.port) as load:
            eventually(lambda: len(recycled(server)) >= 3, within_s=40, why="three workers should be replaced")
        assert set(load.seen) == {200}, load.seen
        counts = [int(re.findall(r"\d+", reason)[0]) for reason in recycled(server)]
        assert all(count >= 300 * 0.85 for count in counts)
        assert "stacks follow" not in server.log()  # nothing is wrong with them
        eventually(lambda: len(server.workers()) == 2, within_s=10, why="there should be two workers")
        assert first.isdisjoint(server.workers())
        assert server.stop() == 0


def test_the_replacement_is_ready_first(flow: Path) -> None:
    with instance(flow, "--max-requests=50", "--workers=1", "--max-concurrent-requests=64") as server:
        eventually(lambda: "1 workers ready" in server.log(), within_s=20, why="it should get ready")
        with pressing(server.port) as load:
            eventually(lambda: recycled(server), within_s=20, why="the only worker should be replaced")
        assert set(load.seen) == {200}, load.seen
        before = server.log().partition(": retires: has")[0]
        assert len(re.findall(r"worker pid \d+: ready", before)) == 2


def test_a_worker_that_has_grown_too_large_is_replaced(flow: Path) -> None:
    with instance(flow, "--max-rss-mb=200", "--max-concurrent-requests=64") as server:
        with pressing(server.ready().port) as load:
            grown = int(server.ask("grow:300")[1])
            eventually(lambda: grown not in server.workers(), within_s=15, why="the large worker should be replaced")
        assert set(load.seen) == {200}, load.seen
        assert re.match(r"has grown to \d+ MB", recycled(server)[0]) and len(recycled(server)) == 1
        assert server.stop() == 0


def test_nobody_is_replaced_unless_asked_for(flow: Path) -> None:
    with instance(flow) as server:
        before = server.ready().workers()
        with pressing(server.port) as load:
            eventually(lambda: load.total > 2000, within_s=30, why="there should be load")
        server.ask("grow:300")
        assert server.workers() == before and not recycled(server)
        assert server.stop() == 0
