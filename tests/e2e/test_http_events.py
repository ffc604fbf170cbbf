"""Event streams over real sockets, byte for byte."""

from __future__ import annotations

import asyncio
import http.client
import json
import logging
import math
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest

from e2e.http_rig import WAIT_S, Rig, Wire, get, plan, post, serving
from eventually import eventually
from pfserve.errors import UserError
from pfserve.plan import StepKind
from pfserve.values.ambient import DEADLINE_S, REQUEST_ID

EVENTS = "Accept: text/event-stream"
EITHER = "Accept: text/event-stream, application/json"


class Items:
    """A generator as the executor gives it: some items, then a failure, a wait without end, or the end."""

    def __init__(self, *items: object, then: Exception | str | None = None) -> None:
        self.items = items
        self.then = then
        self.given = 0
        self.closed = 0
        self._iterator = self._give()

    async def _give(self) -> AsyncIterator[object]:
        for item in self.items:
            self.given += 1
            yield item
            await asyncio.sleep(0)
        if isinstance(self.then, Exception):
            raise self.then
        if self.then:
            await asyncio.Event().wait()

    def __aiter__(self) -> Items:
        return self

    async def __anext__(self) -> object:
        return await anext(self._iterator)

    async def aclose(self) -> None:
        self.closed += 1
        await self._iterator.aclose()  # type: ignore[attr-defined]


@pytest.fixture
def rig() -> Any:
    with serving(plan("text", source=StepKind.PYTHON)) as rig:
        yield rig
        eventually(lambda: rig.gate.tickets == 0, within_s=WAIT_S, why="a ticket was not given back")
        assert rig.service.in_progress == 0


def answering(rig: Rig, **outputs: object) -> None:
    async def answer(values: dict[str, object]) -> dict[str, object]:
        return dict(outputs)

    rig.executor.answer = answer


def head_of(wire: Wire) -> tuple[int, dict[str, str]]:
    status, *lines = wire.take_until(b"\r\n\r\n").decode().removesuffix("\r\n\r\n").split("\r\n")
    return int(status.split()[1]), dict(line.split(": ", 1) for line in lines)


def whole_body(wire: Wire) -> bytes:
    body = b""
    while chunk := wire.chunk():
        body += chunk
    return body


# -- The format ------------------------------------------------------------------------------------


def test_an_event_stream_byte_for_byte(rig: Rig) -> None:
    items = Items("", 'é "\n', 5, None, {"k": [1.5, float("nan")]}, "")
    answering(rig, other="a b", answer=items, more={"x": [1, 2]})
    with rig.connect() as wire:
        wire.send(post("x", EVENTS, "x-request-id: one"))
        status, headers = head_of(wire)
        assert status == 200
        del headers["Date"]
        assert headers == {
            "Content-Type": "text/event-stream; charset=utf-8",
            "x-ms-server-version": "pfserve/9.9.9",
            "Access-Control-Allow-Origin": "*",
            "Transfer-Encoding": "chunked",
            "x-request-id": "one",
        }
        assert whole_body(wire) == (
            b'data: {"other": "a b", "more": {"x": [1, 2]}}\n\n'
            b'data: {"answer": ""}\n\n'
            b'data: {"answer": "\\u00e9 \\"\\n"}\n\n'
            b'data: {"answer": 5}\n\n'
            b'data: {"answer": null}\n\n'
            b'data: {"answer": {"k": [1.5, null]}}\n\n'
            b'data: {"answer": ""}\n\n'
        )
        wire.send(get("/health"))
        assert wire.answer().status == 200, "the connection goes on"
    assert rig.executor.asked_to_stream == [True]
    assert items.closed == 1


def test_the_first_event_does_not_wait_for_the_second(rig: Rig) -> None:
    answering(rig, answer=Items("a", then="wait"))
    with rig.connect() as wire:
        wire.send(post("x", EVENTS))
        head_of(wire)
        assert wire.chunk() == b'data: {"answer": "a"}\n\n'


def test_an_empty_stream(rig: Rig) -> None:
    answering(rig, answer=Items())
    with rig.connect() as wire:
        wire.send(post("x", EVENTS) + get("/health"))  # pipelined behind a stream
        status, headers = head_of(wire)
        assert (status, headers["Content-Type"]) == (200, "text/event-stream; charset=utf-8")
        assert whole_body(wire) == b""
        assert wire.answer().status == 200


def test_http_1_0_has_the_end_of_the_connection_for_the_end(rig: Rig) -> None:
    answering(rig, answer=Items("a", "b"))
    with rig.connect() as wire:
        wire.send(post("x", EVENTS, "Connection: keep-alive", version="1.0"))
        _, headers = head_of(wire)
        assert headers["Connection"] == "close"
        assert "Transfer-Encoding" not in headers
        assert wire.take_until(b'"b"}\n\n') == b'data: {"answer": "a"}\n\ndata: {"answer": "b"}\n\n'
        assert wire.at_end()


# -- Negotiation -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("accept", "streaming"),
    [
        ("Accept: text/event-stream;q=0.5", True),
        ("Accept: application/json, TEXT/event-stream", True),
        ("Accept: */*", False),
        ("Accept: text/*, */*", False),
        ("X-Accept: text/event-stream", False),
    ],
)
def test_a_stream_is_given_only_where_it_is_asked_for_by_name(rig: Rig, accept: str, streaming: bool) -> None:
    answering(rig, answer=Items("a") if streaming else "a")
    with rig.connect() as wire:
        wire.send(post("x", accept))
        _, headers = head_of(wire)
        assert headers["Content-Type"].startswith("text/event-stream" if streaming else "application/json")
    assert rig.executor.asked_to_stream == [streaming]


def test_json_is_given_where_there_is_no_generator(rig: Rig) -> None:
    answering(rig, answer="a")
    assert rig.ask(post("x", EITHER)).json == {"answer": "a"}


def test_without_a_generator_only_json_would_have_done(rig: Rig) -> None:
    answering(rig, answer="a")
    answer = rig.ask(post("x", "Accept: text/event-stream, text/html"))
    assert (answer.status, answer.code) == (406, "UserError")
    assert answer.message == (
        "Media type text/event-stream,text/html in Accept header is not acceptable. "
        "Supported media type(s) - application/json"
    )
    assert len(rig.executor.asked) == 1, "only the run can tell"


@pytest.mark.parametrize("source", [None, StepKind.PROMPT])
def test_a_flow_that_cannot_stream_does_not_run_for_an_event_stream(source: StepKind | None) -> None:
    with serving(plan("text", source=source)) as rig:
        assert rig.ask(post("x", EVENTS)).status == 406
        assert not rig.executor.asked


def test_an_output_that_is_no_json_is_told_before_the_406(rig: Rig) -> None:
    answering(rig, answer=[iter("ab")])
    answer = rig.ask(post("x", EVENTS))
    assert (answer.status, answer.code) == (400, "UserError")
    assert "The output 'answer' for flow is incorrect." in answer.message


def test_two_generators_are_one_too_many(rig: Rig) -> None:
    first, second = Items("a"), Items("b")
    answering(rig, one=first, two=second, three=3)
    answer = rig.ask(post("x", EITHER))
    assert (answer.status, answer.code) == (400, "UserError")
    assert answer.message == "Multiple stream output fields not supported."
    assert (first.closed, second.closed) == (1, 1)


# -- Failures --------------------------------------------------------------------------------------


BOOM = UserError("Execution failure in 'work': (ValueError) boom")


@pytest.mark.parametrize(
    "items", [Items(then=BOOM), Items({1, 2})], ids=["the generator fails", "the first item is no JSON"]
)
def test_what_fails_before_the_first_event_is_an_ordinary_failure(rig: Rig, items: Items) -> None:
    answering(rig, answer=items)
    with rig.connect() as wire:
        wire.send(post("x", EVENTS) + get("/health"))
        answer = wire.answer()
        assert (answer.status, answer.code) == (400, "UserError")
        assert "boom" in answer.message or "set is not JSON serializable" in answer.message
        assert wire.answer().status == 200
    assert items.closed == 1


@pytest.mark.parametrize(
    ("outputs", "told"),
    [
        ({"answer": Items("a", then=BOOM)}, "boom"),
        ({"answer": Items("a", {1})}, "set is not JSON serializable"),
        ({"answer": Items("a", then=RuntimeError("a bug"))}, "its log says why"),
        ({"answer": Items(then=BOOM), "other": "a"}, "boom"),
    ],
    ids=["the generator fails", "an item is no JSON", "a bug", "behind the other outputs"],
)
def test_what_fails_later_cuts_the_connection(
    rig: Rig, caplog: pytest.LogCaptureFixture, outputs: dict[str, object], told: str
) -> None:
    answering(rig, **outputs)
    client = http.client.HTTPConnection(*rig.address, timeout=WAIT_S)
    client.request("POST", "/score", "x", {"Accept": "text/event-stream", "x-request-id": "case-8"})
    response = client.getresponse()
    assert response.status == 200
    with pytest.raises(http.client.IncompleteRead) as incomplete:
        response.read()
    client.close()
    assert incomplete.value.partial.endswith(b'"a"}\n\n'), "what came before is not lost"
    cut = [record for record in caplog.records if "stream was cut off" in record.getMessage()]
    assert len(cut) == 1
    assert "case-8" in cut[0].getMessage()
    assert told in cut[0].getMessage()
    assert outputs["answer"].closed == 1  # type: ignore[attr-defined]


def test_a_client_that_wants_to_know_is_told_before_the_connection_is_cut() -> None:
    with serving(plan("text", source=StepKind.PYTHON), stream_errors=True) as rig:
        answering(rig, answer=Items("a", then=BOOM))
        client = http.client.HTTPConnection(*rig.address, timeout=WAIT_S)
        client.request("POST", "/score", "x", {"Accept": "text/event-stream"})
        with pytest.raises(http.client.IncompleteRead) as incomplete:
            client.getresponse().read()
        client.close()
    _, told = incomplete.value.partial.split(b"event: error\ndata: ")
    assert json.loads(told) == {"error": {"code": "UserError", "message": BOOM.message}}


@pytest.mark.parametrize(("literal", "written"), [(False, b"null"), (True, b"NaN")])
def test_nan_in_a_stream(literal: bool, written: bytes) -> None:
    with serving(plan("text", source=StepKind.PYTHON), literal_nan=literal) as rig:
        answering(rig, answer=Items(math.nan), other=math.nan)
        with rig.connect() as wire:
            wire.send(post("x", EVENTS))
            head_of(wire)
            assert whole_body(wire) == b'data: {"other": %b}\n\ndata: {"answer": %b}\n\n' % (written, written)


def test_http_1_0_is_told_by_a_reset(rig: Rig) -> None:
    answering(rig, answer=Items("a", then=BOOM))
    with rig.connect() as wire:
        wire.send(post("x", EVENTS, version="1.0"))
        with pytest.raises(ConnectionResetError):
            while wire.socket.recv(1000):
                pass


# -- Time, and clients that leave or dawdle ----------------------------------------------------------


@pytest.mark.parametrize("leave", ["close", "half_close"])
def test_a_client_that_leaves_ends_the_generator(rig: Rig, leave: str) -> None:
    items = Items("a", then="wait")
    answering(rig, answer=items)
    with rig.connect() as wire:
        wire.send(post("x", EVENTS))
        head_of(wire)
        assert rig.gate.tickets == 1, "the ticket is held to the end"
        if leave == "close":
            wire.socket.close()
        else:
            wire.half_close()
        eventually(lambda: items.closed == 1, within_s=WAIT_S, why="the generator goes on")
    eventually(lambda: rig.gate.tickets == 0, within_s=WAIT_S, why="the ticket was not given back")


def test_a_generator_that_catches_its_cancellation_is_closed_at_its_next_item(rig: Rig) -> None:
    ended: list[str] = []

    async def stubborn() -> AsyncIterator[str]:
        try:
            while True:
                try:
                    await asyncio.sleep(30)
                except asyncio.CancelledError:
                    ended.append("caught")
                yield "a"
        finally:
            ended.append("closed")

    answering(rig, answer=stubborn(), other=1)
    with rig.connect() as wire:
        wire.send(post("x", EVENTS))
        head_of(wire)
    eventually(lambda: ended == ["caught", "closed"], within_s=WAIT_S, why="the generator goes on")
    eventually(lambda: rig.gate.tickets == 0, within_s=WAIT_S, why="the ticket was not given back")


def test_the_request_timeout_covers_the_stream(caplog: pytest.LogCaptureFixture) -> None:
    items = Items("a", then="wait")
    with serving(plan("text", source=StepKind.LLM), request_timeout_s=0.2) as rig:
        answering(rig, answer=items)
        with rig.connect() as wire:
            wire.send(post("x", EVENTS))
            head_of(wire)
            assert wire.chunk()
            assert wire.at_end()
        eventually(lambda: rig.gate.tickets == 0, within_s=WAIT_S, why="the ticket was not given back")
        assert items.closed == 1
    assert ["0.2 s, the request timeout" in r.getMessage() for r in caplog.records if r.levelno == logging.ERROR] == [
        True
    ]


def test_a_client_that_does_not_read_stops_the_generator(rig: Rig) -> None:
    total = 20_000
    items = Items(*["x" * 10_000] * total)
    answering(rig, answer=items)
    with rig.connect() as wire:
        wire.send(post("x", EVENTS))
        head_of(wire)

        def stands_still() -> bool:
            before = items.given
            rig.call(lambda: asyncio.sleep(0.1))
            return 0 < before == items.given

        eventually(stands_still, within_s=WAIT_S, why="the generator goes on although nobody reads")
        before = items.given
        assert before < total / 2
        for _ in range(before + 10):  # and goes on when somebody does
            wire.chunk()
    eventually(lambda: items.closed == 1, within_s=WAIT_S, why="the generator was not closed")
    eventually(lambda: rig.gate.tickets == 0, within_s=WAIT_S, why="the ticket was not given back")


def test_a_stream_that_runs_while_the_server_drains_is_finished_and_closed(rig: Rig) -> None:
    go = rig.call(asyncio.Event)

    async def give() -> AsyncIterator[str]:
        yield "a"
        await go.wait()
        yield "b"

    answering(rig, answer=give())
    with rig.connect() as wire:
        wire.send(post("x", EVENTS))
        head_of(wire)
        assert wire.chunk()
        rig.call(rig.service.refuse)
        rig.call(go.set)
        assert json.loads(wire.chunk().removeprefix(b"data: ")) == {"answer": "b"}
        assert wire.chunk() == b""
        assert wire.at_end()


# -- What a request carries --------------------------------------------------------------------------


def test_every_request_knows_its_id_and_its_deadline() -> None:
    seen: list[tuple[str, float]] = []

    async def look(values: dict[str, object]) -> dict[str, object]:
        deadline_s = DEADLINE_S.get()
        assert deadline_s is not None
        seen.append((REQUEST_ID.get(), deadline_s - time.monotonic()))
        return {}

    with serving(request_timeout_s=30.0) as rig:
        rig.executor.answer = look
        with rig.connect() as wire:
            for name in ("one", "two"):
                wire.send(post("x", f"x-request-id: {name}"))
                wire.answer()
    assert [name for name, _ in seen] == ["one", "two"]
    assert all(0 < left_s <= 30.0 for _, left_s in seen)
