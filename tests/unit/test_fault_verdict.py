"""The judges of the fault campaign can fail: fabricated histories, each with one thing wrong."""

from __future__ import annotations

from dataclasses import replace

import pytest

from process.faults.client import Request, judge_answer, judge_cut
from process.faults.connection import Answer, Broken
from process.faults.schedule import Event
from process.faults.steps import Notes
from process.faults.verdict import HANDED_OVER, HELD, judge, numbers_disagree, unseen

END = "tcp:40000"
KILL = Event(10.0, "kill worker", pids=(77,), held={77: frozenset({END})}, until_s=10.1)
LOST = Request("r", "sync", 0, "TCP", opened_s=9.0, sent_s=9.9, end=END, ended_s=10.05, outcome="lost")
ELSEWHERE = replace(LOST, end="unix:1")  # its connection was in a process that lives
STOPPED = Event(10.0, "stop worker", held={77: frozenset({END})}, until_s=11.0)
KILLED_BY_SERVER = "the server: it had stopped"


@pytest.mark.parametrize(
    ("request_", "event", "ran", "begun", "log", "cause"),
    [
        (LOST, KILL, 77, 0, "", (HELD, "it ran them", "kill worker")),
        (LOST, KILL, 0, 0, "", (HELD, "they had not begun", "kill worker")),
        (LOST, KILL, 78, 78, "", (HELD, "another one ran them", "kill worker")),
        (LOST, STOPPED, 0, 0, "worker pid 77: killed", (HELD, "they had not begun", KILLED_BY_SERVER)),
        (replace(LOST, outcome="cut"), KILL, 77, 0, "", (HELD, "it ran them", "kill worker")),
        (replace(ELSEWHERE, told="502"), KILL, 77, 77, "", (HANDED_OVER, "it ran them", "kill worker")),
        (replace(ELSEWHERE, told="502"), KILL, 0, 77, "", (HANDED_OVER, "they had not begun", "kill worker")),
        (replace(ELSEWHERE, outcome="cut"), KILL, 77, 77, "", (HANDED_OVER, "it ran them", "kill worker")),
    ],
)
def test_what_is_lost_with_a_killed_process(
    request_: Request, event: Event, ran: int, begun: int, log: str, cause: tuple[str, str, str]
) -> None:
    verdict = judge([request_], [event], Notes({"r": ran}, {"r": begun}), log)
    assert (verdict.violations, verdict.causes) == ([], {cause: 1})


@pytest.mark.parametrize(
    ("request_", "events", "ran", "said"),
    [
        (replace(LOST, outcome="wrong", told="a second answer: b'HTTP'"), [KILL], 77, "a second answer"),
        (replace(LOST, outcome="hung"), [KILL], 77, "hung: "),
        (replace(LOST, outcome="status 500"), [KILL], 77, "status 500: "),
        (LOST, [], 77, "lost without a kill"),
        (ELSEWHERE, [KILL], 77, "lost without a kill or a word"),
        (replace(ELSEWHERE, told="502"), [KILL], 78, "lost without a kill"),
        (replace(ELSEWHERE, told="502", ended_s=5.0), [KILL], 77, "lost without a kill"),
        (replace(ELSEWHERE, outcome="cut", ended_s=5.0), [KILL], 77, "lost without a kill"),
        (replace(LOST, opened_s=10.5, ended_s=10.6), [KILL], 78, "lost without a kill"),
        (replace(LOST, ended_s=9.0), [KILL], 78, "lost without a kill"),
        (LOST, [STOPPED], 78, "lost without a kill"),
        (replace(LOST, outcome="answered", pid=78), [], 77, "says otherwise"),
        (replace(LOST, outcome="answered", pid=78), [], 0, "says otherwise"),
    ],
    ids=[
        "double answer", "hang", "wrong status", "nobody killed", "handed over, and its client was not told",
        "handed over to another one", "502 before the kill", "cut before the kill", "connected after the kill",
        "before the kill", "stopped, but it went on", "ran elsewhere", "has not run",
    ],
)  # fmt: skip
def test_what_no_kill_explains_is_a_violation(request_: Request, events: list[Event], ran: int, said: str) -> None:
    notes = Notes({"r": ran}, {"r": ran})
    (violation,) = judge([request_], events, notes, log="").violations
    assert said in violation


@pytest.mark.parametrize(("begun", "said"), [(78, []), (0, ["no answer came through another worker: ('TCP', False)"])])
def test_a_campaign_without_hand_overs_shows_nothing(begun: int, said: list[str]) -> None:
    answered = replace(LOST, outcome="answered", pid=78)
    verdict = judge([answered], [], Notes({"r": 78}, {"r": begun} if begun else {}), log="")
    assert not verdict.violations and unseen([answered], verdict) == said


def test_what_ran_twice_is_a_violation_wherever() -> None:
    notes = Notes()
    for pid in ("77", "77"):
        notes.add("ran", "r", pid)
    assert judge([], [], notes, log="").violations == ["request r ran in process 77 and again in 77"]


@pytest.mark.parametrize(("code", "leaders"), [(0, 1), (1, 0)])
def test_a_new_leader_that_is_killed_has_served_if_its_reload_ended_well(code: int, leaders: int) -> None:
    status = {
        "served": 0, "refused": {}, "leaders_lost": leaders, "monitor": {"lost": 0}, "worker_exits": {"crashed": 0},
        "reloads": {"ok": 1 - code, "failed": code},
    }  # fmt: skip
    assert not numbers_disagree(status, [], [Event(10.0, "kill new leader", pids=(77,), code=code)], late=0)


def events(*told: str) -> bytes:
    return "".join(f'data: {{"sync": "{each}"}}\n\n' for each in told).encode()


WHOLE = ("r 77 0", "r 77 1")


@pytest.mark.parametrize(
    ("told", "outcome"),
    [
        (WHOLE, "answered"),
        (WHOLE[:1], "wrong"),
        (WHOLE[::-1], "wrong"),
        ((*WHOLE, "r 77 1"), "wrong"),
        ((*WHOLE, "r 77 2"), "wrong"),
        (("r 77 0", "other 77 1"), "wrong"),
        (("r 77 0", "r 78 1"), "wrong"),
    ],
)
def test_a_stream_that_ended_is_whole_and_in_order(told: tuple[str, ...], outcome: str) -> None:
    request = replace(LOST, events=2)
    judge_answer(request, Answer(200, b'data: {"async": null}\n\n' + events(*told), is_stream=True, closes=False))
    assert (request.outcome, request.pid) == (outcome, 77)


@pytest.mark.parametrize(
    ("received", "outcome"),
    [
        (b"", "lost"),
        (b'data: {"async": null}\n\n', "cut"),
        (events(*WHOLE[:1]), "cut"),
        (events(*WHOLE)[:-3], "cut"),
        (events(*WHOLE), "cut"),
        (events(WHOLE[1]), "wrong"),
        (events(WHOLE[0], WHOLE[0]), "wrong"),
    ],
)
def test_a_stream_that_was_cut_is_a_beginning(received: bytes, outcome: str) -> None:
    request = replace(LOST, events=2)
    judge_cut(request, Broken("IncompleteReadError", received))
    assert request.outcome == outcome


def test_an_answer_is_no_stream_and_a_stream_no_answer() -> None:
    for wanted in (0, 2):
        request = replace(LOST, events=wanted)
        judge_answer(request, Answer(200, b"", is_stream=not wanted, closes=False))
        assert request.outcome == "wrong"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({}, ""),
        ({"served": 4}, "4 served"),
        ({"refused": {"full": 3}}, "refused"),
        ({"leaders_lost": 1}, "1 leaders lost"),
        ({"monitor": {"lost": 2}}, "2 monitors lost"),
        ({"worker_exits": {"crashed": 0}}, "0 workers crashed"),
        ({"reloads": {"ok": 0, "failed": 1}}, "reloads"),
    ],
)
def test_numbers_that_cannot_be_what_happened(change: dict[str, object], said: str) -> None:
    counted = [replace(LOST, outcome="answered"), replace(LOST, outcome="full"), LOST]
    status: dict[str, object] = {
        "served": 1, "refused": {"full": 1}, "leaders_lost": 0, "monitor": {"lost": 0},
        "worker_exits": {"crashed": 1}, "reloads": {"ok": 1, "failed": 0},
    }  # fmt: skip
    wrong = numbers_disagree({**status, **change}, counted, [KILL, Event(11.0, "reload", code=0)], late=0)
    assert len(wrong) == bool(said) and said in "".join(wrong)
