"""``Server-Timing`` over real sockets. That the times are right is told in the unit tests, whose clock obeys."""

from __future__ import annotations

import re
from typing import Any

import pytest

from e2e.http_rig import Held, get, plan, post, serving
from pfserve.errors import UserError
from pfserve.plan import StepKind

BOTH = re.compile(r"queue;dur=\d+\.\d{3}, run;dur=\d+\.\d{3}")
QUEUE = re.compile(r"queue;dur=\d+\.\d{3}")
EVENTS = "Accept: text/event-stream"


@pytest.fixture
def timed() -> Any:
    with serving(plan("text", source=StepKind.PYTHON), capacity=1, server_timing=True) as rig:
        yield rig


@pytest.mark.parametrize("headers", [[], ["Accept: application/json, text/event-stream;q=0.5"]])
def test_a_success_tells_both(timed, headers):
    answer = timed.ask(post("x", *headers))
    assert answer.status == 200
    assert BOTH.fullmatch(answer.headers["server-timing"])


def test_a_failure_tells_both(timed):
    async def fail(values: object) -> dict[str, object]:
        raise UserError("no")

    timed.executor.answer = fail
    answer = timed.ask(post("x"))
    assert answer.status == 400
    assert BOTH.fullmatch(answer.headers["server-timing"])


def test_a_refusal_tells_how_long_it_took_to_refuse(timed):
    held = Held(timed)
    with timed.connect() as wire:
        wire.send(post("x"))
        held.eventually_inside(1)
        refused = timed.ask(post("x"))
        held.let_go()
        assert wire.answer().status == 200
    assert refused.status == 429
    assert QUEUE.fullmatch(refused.headers["server-timing"])


def test_a_deadline_tells_both():
    with serving(plan("text"), server_timing=True, request_timeout_s=0.05) as rig:
        Held(rig)
        answer = rig.ask(post("x"))
    assert answer.status == 408
    assert BOTH.fullmatch(answer.headers["server-timing"])


def test_a_stream_tells_at_its_head_how_long_it_waited(timed):
    async def items(values: object) -> dict[str, object]:
        async def give() -> Any:
            yield "a"

        return {"answer": give()}

    timed.executor.answer = items
    with timed.connect() as wire:
        wire.send(post("x", EVENTS))
        head = wire.take_until(b"\r\n\r\n").decode().split("\r\n")
    [line] = [line for line in head if line.startswith("Server-Timing: ")]
    assert QUEUE.fullmatch(line.removeprefix("Server-Timing: "))


def test_other_routes_tell_nothing(timed):
    for request in (get("/health"), post("x", path="/feedback"), post("x", path="/nowhere"), get("/score")):
        assert "server-timing" not in timed.ask(request).headers


def test_it_is_off_by_default():
    with serving(plan("text")) as rig:
        assert "server-timing" not in rig.ask(post("x")).headers
