"""The judge of the fault campaign can fail: fabricated histories, each with one thing wrong."""

from __future__ import annotations

from dataclasses import replace

import pytest

from process.faults.client import Request
from process.faults.schedule import Event
from process.faults.verdict import judge, numbers_disagree

PORT = 40_000
KILL = Event(10.0, "kill worker", (77,), {77: frozenset({PORT})}, 10.1)
LOST = Request("r", "sync", opened_s=9.0, sent_s=9.9, port=PORT, ended_s=10.05, outcome="lost")
STOPPED = Event(10.0, "stop worker", (), {77: frozenset({PORT})}, 11.0)


@pytest.mark.parametrize(
    ("request_", "event", "ran_in", "log", "cause"),
    [
        (LOST, KILL, {"r": 77}, "", "ran in a process that was killed (kill worker)"),
        (LOST, KILL, {}, "", "it had not begun: its connection was in one that was killed (kill worker)"),
        (
            LOST, KILL, {"r": 78}, "",
            "another process ran it, but its connection was in one that was killed (kill worker)",
        ),
        (
            LOST, STOPPED, {}, "worker pid 77: killed",
            "it had not begun: its connection was in one that was killed (by the server: it had stopped)",
        ),
        (
            replace(LOST, port=1, told="502"), KILL, {}, "",
            "taken up by another process that was killed before it ran it (kill worker)",
        ),
    ],
)  # fmt: skip
def test_what_is_lost_with_a_killed_process(
    request_: Request, event: Event, ran_in: dict[str, int], log: str, cause: str
) -> None:
    verdict = judge([request_], [event], ran_in, log)
    assert (verdict.violations, verdict.causes) == ([], {cause: 1})


@pytest.mark.parametrize(
    ("request_", "events", "said"),
    [
        (replace(LOST, outcome="wrong", told="a second answer: b'HTTP'"), [KILL], "a second answer"),
        (replace(LOST, outcome="hung"), [KILL], "hung: "),
        (replace(LOST, outcome="status 500"), [KILL], "status 500: "),
        (LOST, [], "lost without a kill, ran in 78"),
        (replace(LOST, port=PORT + 1), [KILL], "lost without a kill, ran in 78"),
        (replace(LOST, port=PORT + 1, told="502", sent_s=20.0, ended_s=20.1), [KILL], "lost without a kill, ran in 78"),
        (replace(LOST, opened_s=10.5, ended_s=10.6), [KILL], "lost without a kill, ran in 78"),
        (replace(LOST, ended_s=9.0), [KILL], "lost without a kill, ran in 78"),
        (LOST, [STOPPED], "lost without a kill, ran in 78"),
    ],
    ids=[
        "double answer", "hang", "wrong status", "nobody killed", "a connection that the killed process did not have",
        "502 and nobody killed then", "connected after the kill", "before the kill", "stopped, but it went on",
    ],
)  # fmt: skip
def test_what_no_kill_explains_is_a_violation(request_: Request, events: list[Event], said: str) -> None:
    (violation,) = judge([request_], events, {"r": 78}, log="").violations
    assert said in violation


def test_a_request_that_ran_in_a_process_killed_long_after_is_a_violation() -> None:
    (violation,) = judge([replace(LOST, ended_s=5.0)], [KILL], {"r": 77}, log="").violations
    assert "lost without a kill, ran in 77" in violation


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({}, ""),
        ({"served": 4}, "4 served"),
        ({"refused": {"full": 3}}, "refused"),
        ({"leaders_lost": 1}, "1 leaders lost"),
        ({"monitor": {"lost": 2}}, "2 monitors lost"),
        ({"worker_exits": {"crashed": 0}}, "0 workers crashed"),
        ({"reloads": {"ok": 1, "failed": 0}}, "reloads"),
    ],
)
def test_numbers_that_cannot_be_what_happened(change: dict[str, object], said: str) -> None:
    counted = [replace(LOST, outcome="answered"), replace(LOST, outcome="full"), LOST]
    status: dict[str, object] = {
        "served": 1, "refused": {"full": 1}, "leaders_lost": 0, "monitor": {"lost": 0},
        "worker_exits": {"crashed": 1}, "reloads": {"ok": 0, "failed": 0},
    }  # fmt: skip
    wrong = numbers_disagree({**status, **change}, counted, [KILL], late=0)
    assert len(wrong) == bool(said) and said in "".join(wrong)
