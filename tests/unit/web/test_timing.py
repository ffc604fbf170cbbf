"""Requests as histories of stages, and what their answers say of the time."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from pfserve.web.exchange import Stage
from pfserve.web.timing import TimedExchange

WAITING, RUNNING, ANSWERING = Stage.WAITING, Stage.RUNNING, Stage.ANSWERING


class Told:
    """An exchange that came at 100 s, and the header lines of its answer."""

    def __init__(self, *, scored: bool = True) -> None:
        self.now_s = 100.0
        self.extra = ""
        service = SimpleNamespace(clock=lambda: self.now_s)
        connection = SimpleNamespace(service=service, finish=self._finish)
        message = SimpleNamespace(method="POST", headers={}, should_close=False)
        self.exchange = TimedExchange(connection, message, None, "id", self.now_s)  # type: ignore[arg-type]
        self.exchange.scored = scored

    def _finish(self, exchange: object, body: bytes, content_type: str, extra: str) -> None:
        self.extra = extra

    def go(self, *stages: tuple[float, Stage]) -> None:
        for at_s, stage in stages:
            self.now_s = 100.0 + at_s
            self.exchange.stage = stage

    def reply(self, at_s: float, extra: str = "") -> str:
        self.now_s = 100.0 + at_s
        self.exchange.reply(200, b"", extra=extra)
        return self.extra


@pytest.mark.parametrize(
    ("stages", "replied_s", "line"),
    [
        ([(0.002, RUNNING), (0.0145, ANSWERING)], 1.0, "queue;dur=2.000, run;dur=12.500"),
        ([(0.001, WAITING), (0.25, RUNNING), (0.5, ANSWERING)], 0.5, "queue;dur=250.000, run;dur=250.000"),
        # promised a slot, which was then not there: it has not started
        ([(0.25, RUNNING), (0.3, WAITING), (0.5, RUNNING), (0.75, ANSWERING)], 1, "queue;dur=500.000, run;dur=250.000"),
        ([(0.25, RUNNING)], 0.75, "queue;dur=250.000, run;dur=500.000"),  # it failed, or ran out of time
        ([(0.25, RUNNING), (0.3, WAITING)], 0.5, "queue;dur=500.000"),  # refused, or out of time, in the line
        ([], 0.0000014, "queue;dur=0.001"),  # refused at the door
    ],
)
def test_an_answer_tells_where_the_time_went(stages, replied_s, line):
    told = Told()
    told.go(*stages)
    assert told.reply(replied_s, "Retry-After: 1\r\n") == f"Retry-After: 1\r\nServer-Timing: {line}\r\n"


def test_what_is_not_for_the_flow_tells_nothing():
    assert Told(scored=False).reply(1, "A: b\r\n") == "A: b\r\n"


def test_the_head_of_a_stream_tells_how_long_it_waited():
    told = Told()
    told.go((0.25, RUNNING))
    told.now_s += 9
    assert told.exchange.stream_extra() == "Server-Timing: queue;dur=250.000\r\n"
