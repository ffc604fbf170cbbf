"""Lines about requests are collected and told together."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import cast

import pytest

from pfserve.web import request_log
from pfserve.web.exchange import CUT, GONE, Exchange
from pfserve.web.request_log import RequestLog

Told = list[list[tuple[float, str]]]


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> Told:
    calls: Told = []
    monkeypatch.setattr(request_log, "tell", lambda name, lines: calls.append(list(lines)))
    return calls


def exchange(path: str = "/score", status: int = 200, request_id: str = "r") -> Exchange:
    facts = SimpleNamespace(method="POST", message=SimpleNamespace(path=path), status=status, request_id=request_id)
    return cast("Exchange", facts)


def test_lines_are_told_together_once_and_in_order(told: Told) -> None:
    timers: list[Callable[[], None]] = []
    log = RequestLog(lambda _, call: timers.append(call), clock=iter((100.0, 101.0, 102.0)).__next__)
    log.add(exchange(request_id="a"), 0.0012)
    log.add(exchange(request_id="b", status=429), 2.0)
    assert (len(timers), told) == (1, [])
    timers[0]()
    assert told == [[(100.0, "POST /score 200 1.2 ms a"), (101.0, "POST /score 429 2000.0 ms b")]]
    log.add(exchange(request_id="c"), 0.0)
    assert len(timers) == 2
    timers[1]()
    assert told[1] == [(102.0, "POST /score 200 0.0 ms c")]


@pytest.mark.parametrize(("status", "word"), [(GONE, "gone"), (CUT, "cut"), (500, "500")])
def test_what_stands_for_a_status(told: Told, status: int, word: str) -> None:
    log = RequestLog(lambda *_: None, clock=lambda: 0.0)
    log.add(exchange(status=status), 1.0)
    log.flush()
    assert told == [[(0.0, f"POST /score {word} 1000.0 ms r")]]


def test_a_path_is_cut_and_cannot_forge_a_line(told: Told) -> None:
    log = RequestLog(lambda *_: None, clock=lambda: 0.0)
    log.add(exchange(path="/ü" + "x" * 1000), 0.0)
    log.flush()
    assert told[0][0][1] == "POST /\\xfc" + "x" * 198 + " 200 0.0 ms r"
