"""``POST /score`` over real sockets: what comes in, what goes out."""

from __future__ import annotations

import asyncio
import contextvars

import pytest

from e2e.http_rig import WAIT_S, Held, Rig, get, plan, post, serving
from eventually import eventually
from pfserve.errors import UserError
from pfserve.web import Limits

JSON_TYPE = "application/json"


@pytest.fixture(scope="module")
def one():
    with serving(plan("text")) as rig:
        yield rig


@pytest.fixture(scope="module")
def two():
    with serving(plan("a", "b")) as rig:
        yield rig


@pytest.mark.parametrize(
    ("request_bytes", "output"),
    [
        (post('{"text":"hi"}'), {"text": "hi"}),
        (post('{"text":"hi"}', "Content-Type: text/plain"), {"text": "hi"}),
        (post('{"text":"hi"}', "Content-Encoding: gzip"), {"text": "hi"}),
        (post('{"text":"hi"}', path="/score?x=1"), {"text": "hi"}),
        (post('{"text":"hi"}', path="http://rig/score"), {"text": "hi"}),
        (post("plain words"), {"text": "plain words"}),
        (post(""), {"text": ""}),
        (post('{"text": '), {"text": '{"text": '}),
        (post('{"text":"' + "x" * 1_000_000 + '"}'), {"text": "x" * 1_000_000}),
        (post("ignored", "Accept: text/html, */*;q=0.1"), {"text": "ignored"}),
        (post("x", "Accept: text/event-stream", "Accept: application/json"), {"text": "x"}),
    ],
)
def test_a_success(one: Rig, request_bytes: bytes, output: object) -> None:
    answer = one.ask(request_bytes)
    assert (answer.status, answer.headers["content-type"]) == (200, JSON_TYPE)
    assert answer.json == {"output": output}


def test_a_flow_without_inputs_takes_anything() -> None:
    with serving(plan()) as rig:
        for body in (b"", b"[1", b"\xff\xfe", b'{"a":1}'):
            assert rig.ask(post(body)).json == {"output": {}}


@pytest.mark.parametrize(
    ("request_bytes", "status", "code", "message"),
    [
        (post('{"x":1}'), 400, "UserError", "Required input fields ['text'] are missing in request data {'x': 1}"),
        (post("[1,2]"), 400, "UserError", "Required input fields ['text'] are missing in request data [1, 2]"),
        (post("17"), 400, "UserError", "must be a JSON object"),
        (post("null"), 400, "UserError", "must be a JSON object"),
        (post(b"\xff\xff"), 400, "UserError", "neither JSON nor text in UTF-8"),
        (post("[" * 200_000 + "]" * 200_000), 400, "UserError", "nested too deeply"),
        (
            post("x", "Accept: image/png"),
            406,
            "UserError",
            "Media type image/png in Accept header is not acceptable. Supported media type(s) - application/json",
        ),
        (post("x", "Accept: text/event-stream"), 406, "UserError", "Media type text/event-stream in Accept header"),
    ],
)
def test_bad_input_costs_neither_connection_nor_ticket(
    one: Rig, request_bytes: bytes, status: int, code: str, message: str
) -> None:
    asked = len(one.executor.asked)
    with one.connect() as wire:
        wire.send(request_bytes)
        answer = wire.answer()
        assert (answer.status, answer.code) == (status, code)
        assert message in answer.message
        assert len(one.executor.asked) == asked, "the flow ran"
        wire.send(post("next"))
        assert wire.answer().status == 200
    assert one.gate.tickets == 0


@pytest.mark.parametrize("body", ["plain", "", '{"a": ', "\x00"])
def test_several_inputs_need_json(two: Rig, body: str) -> None:
    answer = two.ask(post(body))
    assert (answer.status, answer.code) == (400, "UserError")
    assert answer.message == (
        "Promptflow executor received non json data, but there's more than 1 input fields, "
        "please use json request data instead."
    )


def test_what_the_executor_refuses() -> None:
    async def refuse(values: dict[str, object]) -> dict[str, object]:
        raise UserError("The value for flow input 'i' does not match the expected type 'int'.")

    with serving() as rig:
        rig.executor.answer = refuse
        answer = rig.ask(post("x"))
        assert (answer.status, answer.code) == (400, "UserError")
        assert answer.message.endswith("expected type 'int'.")
        assert rig.gate.tickets == 0


def test_a_bug_is_logged_once_and_told_without_detail(caplog: pytest.LogCaptureFixture) -> None:
    async def fail(values: dict[str, object]) -> dict[str, object]:
        raise ZeroDivisionError("secret detail")

    with serving() as rig:
        rig.executor.answer = fail
        with rig.connect() as wire:
            wire.send(post("x", "x-request-id: case-7"))
            answer = wire.answer()
            assert (answer.status, answer.code) == (500, "SystemError")
            assert "secret" not in answer.message
            assert "case-7" in answer.message
            rig.executor.answer = rig.executor.echo
            wire.send(post("x"))
            assert wire.answer().status == 200
        assert rig.gate.tickets == 0
    bugs = [record for record in caplog.records if record.exc_info]
    assert len(bugs) == 1
    assert "case-7" in bugs[0].getMessage()
    assert "secret detail" in (bugs[0].exc_text or str(bugs[0].exc_info))


def test_an_output_that_is_no_json() -> None:
    async def answer_set(values: dict[str, object]) -> dict[str, object]:
        return {"fine": 1, "bad": {1, 2}}

    with serving() as rig:
        rig.executor.answer = answer_set
        answer = rig.ask(post("x"))
        assert (answer.status, answer.code) == (400, "UserError")
        assert answer.message == (
            "The output 'bad' for flow is incorrect. The output value is not JSON serializable. JSON dump failed: "
            "(TypeError) Object of type set is not JSON serializable. Please verify your flow output and make sure "
            "the value serializable."
        )
        assert rig.gate.tickets == 0


def test_outputs_are_compact_ordered_utf8_and_nan_is_null() -> None:
    async def answer(values: dict[str, object]) -> dict[str, object]:
        return {"z": "é", "a": float("nan")}

    with serving() as rig:
        rig.executor.answer = answer
        assert rig.ask(post("x")).body == '{"z":"é","a":null}'.encode()


def test_a_large_reply_arrives_whole() -> None:
    async def answer(values: dict[str, object]) -> dict[str, object]:
        return {"output": "x" * 20_000_000}

    with serving() as rig:
        rig.executor.answer = answer
        with rig.connect() as wire:
            wire.send(post("x") + get("/health"))  # the second waits until the first is taken
            assert len(wire.answer().body) == 20_000_000 + len('{"output":""}')
            assert wire.answer().status == 200


def test_every_request_has_a_context_of_its_own() -> None:
    seen: list[str] = []
    variable = contextvars.ContextVar("variable", default="clean")

    async def answer(values: dict[str, object]) -> dict[str, object]:
        seen.append(variable.get())
        variable.set("dirty")
        return {}

    with serving() as rig:
        rig.executor.answer = answer
        with rig.connect() as wire:
            for _ in range(3):
                wire.send(post("x"))
                wire.answer()
    assert seen == ["clean"] * 3


# -- The gate --------------------------------------------------------------------------------------


def test_a_full_instance_refuses_and_recovers() -> None:
    with serving(capacity=1) as rig:
        held = Held(rig)
        with rig.connect() as inside, rig.connect() as outside:
            inside.send(post("x"))
            held.eventually_inside(1)
            rig.gate.retry_s = 2.3
            outside.send(post("y"))
            answer = outside.answer()
            assert (answer.status, answer.code) == (429, "TooManyRequests")
            assert (answer.headers["retry-after"], answer.headers["retry-after-ms"]) == ("3", "2300")
            assert "1 requests" in answer.message
            assert "--max-concurrent-requests" in answer.message
            held.let_go()
            assert inside.answer().status == 200
            outside.send(post("y"))
            assert outside.answer().status == 200
        assert rig.gate.tickets == 0
        assert rig.call(lambda: len(rig.service._request_deadlines)) == 0
        assert rig.gate.taken == 2


def test_retry_after_is_never_zero() -> None:
    with serving(capacity=0) as rig:
        rig.gate.retry_s = 0.0
        answer = rig.ask(post("x"))
        assert (answer.headers["retry-after"], answer.headers["retry-after-ms"]) == ("1", "1")


def test_a_full_instance_throws_a_small_body_away() -> None:
    with serving(capacity=0) as rig, rig.connect() as wire:
        wire.send(post("x" * 60_000)[:-50_000])
        assert wire.answer().status == 429
        wire.send(b"x" * 50_000 + get("/health"))
        assert wire.answer().status == 200


def test_a_full_instance_closes_on_a_large_body() -> None:
    with serving(capacity=0) as rig, rig.connect() as wire:
        wire.send(post("x" * 5_000_000)[:100_000])
        answer = wire.answer()
        assert (answer.status, answer.headers["connection"]) == (429, "close")
        assert wire.at_end()


def test_a_client_that_goes_on_sending_is_not_reset() -> None:
    with serving(capacity=0) as rig, rig.connect() as wire:
        wire.send(post("x" * 3_000_000)[:100_000])
        eventually(lambda: rig.gate.looks == 1, within_s=WAIT_S, why="nobody looked")
        for _ in range(10):  # without lingering one of these would fail, before the client has read a word
            wire.send(b"x" * 10_000)
        assert wire.answer().status == 429
        wire.send(b"x")
        assert wire.socket.recv(1) == b""


def test_a_place_lost_between_look_and_admission() -> None:
    with serving(capacity=1) as rig:
        held = Held(rig)
        with rig.connect() as slow, rig.connect() as fast:
            slow.send(post("x" * 100)[:-1])
            eventually(lambda: rig.gate.looks == 1, within_s=WAIT_S, why="nobody looked")
            fast.send(post("x"))
            held.eventually_inside(1)
            slow.send(b"x")
            assert slow.answer().status == 429
            held.let_go()
            assert fast.answer().status == 200
        assert rig.gate.tickets == 0


# -- Deadlines, and clients that leave -------------------------------------------------------------


def test_the_deadline_of_a_running_request() -> None:
    with serving(request_timeout_s=0.2) as rig:
        Held(rig)
        with rig.connect() as wire:
            wire.send(post("x"))
            answer = wire.answer()
            assert (answer.status, answer.code) == (408, "RequestTimeout")
            assert answer.message == "The request was not finished within 0.2 s, the request timeout: it was running."
            assert rig.executor.cancelled == 1
            assert rig.gate.tickets == 0
            rig.executor.answer = rig.executor.echo
            wire.send(post("x"))
            assert wire.answer().status == 200


def test_the_deadline_of_a_request_that_is_still_received() -> None:
    with serving(request_timeout_s=0.2) as rig, rig.connect() as wire:
        wire.send(post("xyz")[:-1])
        answer = wire.answer()
        assert (answer.status, answer.headers["connection"]) == (408, "close")
        assert "still being received" in answer.message
        assert wire.at_end()
        assert rig.gate.taken == 0


def test_user_code_that_swallows_its_cancellation_cannot_keep_the_client_waiting() -> None:
    with serving(request_timeout_s=0.1) as rig:
        go = rig.call(asyncio.Event)

        async def stubborn(values: dict[str, object]) -> dict[str, object]:
            while not go.is_set():
                try:
                    await go.wait()
                except asyncio.CancelledError:
                    continue
            return {}

        rig.executor.answer = stubborn
        with rig.connect() as wire:
            wire.send(post("x"))
            assert wire.answer().status == 408
            assert rig.gate.tickets == 1, "it is still inside"
            rig.call(go.set)
            eventually(lambda: rig.gate.tickets == 0, within_s=WAIT_S, why="the ticket was not given back")
            assert wire.at_end()


@pytest.mark.parametrize("leave", ["close", "half_close"])
def test_a_client_that_leaves_ends_its_request(leave: str) -> None:
    with serving() as rig:
        held = Held(rig)
        with rig.connect() as wire:
            wire.send(post("x"))
            held.eventually_inside(1)
            if leave == "close":
                wire.socket.close()
            else:
                wire.half_close()
            held.eventually_inside(0)
            assert rig.executor.cancelled == 1
            if leave == "half_close":
                assert wire.at_end()
        eventually(lambda: rig.closed == 1, within_s=WAIT_S, why="the connection was not counted out")
        assert rig.service.in_progress == 0
        assert not rig.service.connections


def test_a_client_that_leaves_within_its_body() -> None:
    with serving() as rig:
        with rig.connect() as wire:
            wire.send(post("xyz")[:-1])
            eventually(lambda: rig.gate.looks == 1, within_s=WAIT_S, why="nobody looked")
        eventually(lambda: rig.closed == 1, within_s=WAIT_S, why="the connection was not closed")
        assert (rig.gate.taken, rig.service.in_progress) == (0, 0)
        assert rig.call(lambda: rig.service._bodies.in_flight_bytes) == 0


# -- Logs ------------------------------------------------------------------------------------------


def test_a_slow_request_is_logged_without_its_body(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    with serving(slow_s=0.0) as rig:
        rig.ask(post("secret", "x-request-id: slow-1"))
    lines = [record.getMessage() for record in caplog.records if record.name == "pfserve.requests"]
    assert len(lines) == 1
    assert lines[0].startswith("POST /score 200 ")
    assert lines[0].endswith(" ms slow-1")


@pytest.mark.parametrize(("access_log", "count"), [(True, 2), (False, 0)])
def test_the_access_log(caplog: pytest.LogCaptureFixture, access_log: bool, count: int) -> None:
    caplog.set_level("INFO")
    with serving(access_log=access_log) as rig:
        rig.ask(post("x"))
        rig.ask(get("/nope"))
    assert len([record for record in caplog.records if record.name == "pfserve.requests"]) == count


def test_refusals_are_logged_once_a_second(caplog: pytest.LogCaptureFixture) -> None:
    with serving(capacity=0, limits=Limits()) as rig, rig.connect() as wire:
        for _ in range(20):
            wire.send(post("x"))
            assert wire.answer().status == 429
    assert 1 <= len([record for record in caplog.records if "429" in record.getMessage()]) <= 3
