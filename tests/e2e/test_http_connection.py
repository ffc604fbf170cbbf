"""Connections: keep-alive, pipelining, garbage, leaving, draining."""

from __future__ import annotations

import asyncio
import random
import time

import pytest

from e2e.http_rig import WAIT_S, Held, Rig, Wire, get, post, serving
from eventually import eventually
from pfserve.web import Limits


@pytest.fixture(scope="module")
def rig():
    with serving(limits=Limits(linger_s=0.2)) as server:
        yield server


# -- Keep-alive ------------------------------------------------------------------------------------


def test_many_requests_on_one_connection(rig: Rig) -> None:
    with rig.connect() as wire:
        for number in range(50):
            wire.send(post(f"n{number}"))
            answer = wire.answer()
            assert answer.json == {"output": {"text": f"n{number}"}}
            assert "connection" not in answer.headers


@pytest.mark.parametrize(
    ("request_bytes", "connection"),
    [
        (post("x", "Connection: close"), "close"),
        (get("/health", "Connection: close"), "close"),
        (post("x", version="1.0"), "close"),
        (get("/health", version="1.0"), "close"),
    ],
)
def test_connections_that_end_with_their_reply(rig: Rig, request_bytes: bytes, connection: str) -> None:
    with rig.connect() as wire:
        wire.send(request_bytes)
        answer = wire.answer()
        assert (answer.status, answer.headers["connection"]) == (200, connection)
        assert wire.at_end()


def test_http_1_0_may_ask_to_keep_the_connection(rig: Rig) -> None:
    with rig.connect() as wire:
        for _ in range(3):
            wire.send(post("x", "Connection: keep-alive", version="1.0"))
            answer = wire.answer()
            assert (answer.status, answer.headers["connection"]) == (200, "keep-alive")


@pytest.mark.parametrize("bad", [get("/nope"), get("/score"), post("x", path="/health"), post("x", "Accept: a/b")])
def test_errors_keep_the_connection(rig: Rig, bad: bytes) -> None:
    with rig.connect() as wire:
        wire.send(bad)
        assert wire.answer().status >= 400
        wire.send(post("x"))
        assert wire.answer().status == 200


def test_a_body_nobody_reads_does_not_cost_the_connection(rig: Rig) -> None:
    with rig.connect() as wire:
        request = post("x" * 30_000, path="/nope")
        wire.send(request[:-20_000])
        assert wire.answer().status == 404
        wire.send(request[-20_000:-10_000])
        wire.send(request[-10_000:] + post("next"))
        assert wire.answer().status == 200


def test_javas_wish_for_http_2_costs_no_connection(rig: Rig) -> None:
    with rig.connect() as wire:
        for _ in range(3):
            wire.send(post("x", "Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAEAAEAA"))
            answer = wire.answer()
            assert answer.status == 200
            assert "connection" not in answer.headers


@pytest.mark.parametrize("protocol", ["websocket", "TLS/1.0"])
def test_a_wish_to_upgrade_is_ignored(rig: Rig, protocol: str) -> None:
    with rig.connect() as wire:
        wire.send(post("x", "Connection: Upgrade", f"Upgrade: {protocol}"))
        answer = wire.answer()
        assert (answer.status, answer.headers["connection"]) == (200, "close")
        assert wire.at_end()


# -- Pipelining ------------------------------------------------------------------------------------


def test_pipelined_requests_are_answered_in_order(rig: Rig) -> None:
    with rig.connect() as wire:
        wire.send(b"".join(post(f"n{number}") + get("/health") for number in range(100)))
        for number in range(100):
            assert wire.answer().json == {"output": {"text": f"n{number}"}}
            assert wire.answer().json["status"] == "Healthy"


def test_pipelined_requests_run_one_after_the_other() -> None:
    most = running = 0

    async def answer(values: dict[str, object]) -> dict[str, object]:
        nonlocal most, running
        running += 1
        most = max(most, running)
        await asyncio.sleep(0)
        running -= 1
        return {}

    with serving() as rig:
        rig.executor.answer = answer
        with rig.connect() as wire:
            wire.send(post("x") * 20)
            assert [wire.answer().status for _ in range(20)] == [200] * 20
    assert most == 1


def test_thousands_of_pipelined_requests_in_one_piece(rig: Rig) -> None:
    with rig.connect() as wire:
        wire.send(get("/livez") * 5000)
        assert {wire.answer().status for _ in range(5000)} == {200}


def test_pipelining_is_held_back_while_a_request_runs() -> None:
    with serving() as rig:
        held = Held(rig)
        with rig.connect() as wire:
            wire.socket.setblocking(False)
            sent = 0
            request = post("x" * 1000)

            def stuck() -> bool:
                nonlocal sent
                try:
                    while sent < 1 << 26:
                        sent += wire.socket.send(request * 100)
                except BlockingIOError:
                    return rig.call(lambda: next(iter(rig.service.connections))._buffer_paused)
                return False

            eventually(stuck, within_s=WAIT_S, why="the server takes in everything")
            assert rig.call(lambda: len(next(iter(rig.service.connections))._held)) < 1 << 20
            wire.socket.settimeout(WAIT_S)
            held.let_go()
            for _ in range(sent // len(request) // 2):
                assert wire.answer().status == 200


def test_a_client_that_takes_no_answers_is_not_read_from_any_more() -> None:
    with serving() as rig:

        async def answer(values: dict[str, object]) -> dict[str, object]:
            return {"output": "x" * 1_000_000}

        rig.executor.answer = answer
        with rig.connect() as wire:
            wire.send(post("x") * 50)
            seen: list[int] = []

            def settled() -> bool:
                seen.append(len(rig.executor.asked))
                return len(seen) > 5 and seen[-1] == seen[-5]

            eventually(settled, within_s=WAIT_S, why="the server goes on")
            assert len(rig.executor.asked) < 30
            assert [len(wire.answer().body) > 1_000_000 for _ in range(50)] == [True] * 50


# -- Garbage ---------------------------------------------------------------------------------------

GARBAGE = [
    b"garbage\r\n\r\n",
    b"GET\r\n\r\n",
    b"GET /health HTTP/9.9\r\n\r\n",
    b"GET /health HTTP/1.1\r\n\r\n",  # no Host
    b"GET /health HTTP/1.1\r\nHost: rig\r\nbad header\r\n\r\n",
    b"GET /health HTTP/1.1\r\nHost: rig\r\nx: a\x00b\r\n\r\n",
    b"GET /health HTTP/1.1\r\nHost: rig\r\nHost: two\r\n\r\n",
    b"POST /score HTTP/1.1\r\nHost: rig\r\nContent-Length: x\r\n\r\n",
    b"POST /score HTTP/1.1\r\nHost: rig\r\nContent-Length: -1\r\n\r\n",
    b"POST /score HTTP/1.1\r\nHost: rig\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
    b"POST /score HTTP/1.1\r\nHost: rig\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
    b"GET //[ HTTP/1.1\r\nHost: rig\r\n\r\n",
    b"GET http://[x HTTP/1.1\r\nHost: rig\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 tls",
    b"\x00\x00\x00\x00",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    b"<script>alert(1)</script> / HTTP/1.1\r\n\r\n",
]


@pytest.mark.parametrize("garbage", GARBAGE, ids=[repr(g[:40]) for g in GARBAGE])
@pytest.mark.parametrize("before", [0, 1, 3])
def test_garbage_is_answered_and_closed_after_what_came_before(
    rig: Rig, caplog: pytest.LogCaptureFixture, garbage: bytes, before: int
) -> None:
    with rig.connect() as wire:
        wire.send(post("x") * before + garbage)
        for _ in range(before):
            assert wire.answer().status == 200
        answer = wire.answer()
        if answer.status == 404 and b"//[" in garbage:
            return  # a path like another
        assert (answer.status, answer.code) == (400, "BadRequest")
        assert answer.headers["content-type"] == "application/json"
        assert answer.headers["connection"] == "close"
        assert len(answer.headers["x-request-id"]) == 36
        assert wire.at_end()
    assert not [record for record in caplog.records if record.exc_info]


def test_a_scan_is_logged_once_a_second(caplog: pytest.LogCaptureFixture) -> None:
    with serving() as rig:
        for _ in range(20):
            rig.ask(b"garbage\r\n\r\n")
    assert 1 <= len(caplog.records) <= 3


def test_random_bytes_never_harm_the_server(rig: Rig, caplog: pytest.LogCaptureFixture) -> None:
    dice = random.Random(7)
    valid = post("hello", "Expect: 100-continue", "x-request-id: a") + get("/health")
    for _ in range(100):
        data = bytearray(valid)
        for _ in range(dice.randrange(1, 6)):
            data[dice.randrange(len(data))] = dice.randrange(256)
        with rig.connect() as wire:
            wire.send(bytes(data))
            wire.half_close()
            assert eventually(wire_ended(wire), within_s=WAIT_S, why=f"no end after {bytes(data)!r}")
    assert rig.ask(post("x")).status == 200
    assert rig.gate.tickets == 0
    assert rig.call(lambda: rig.service.in_progress) == 0
    assert not [record for record in caplog.records if record.exc_info or record.levelname == "ERROR"]


def wire_ended(wire: Wire):
    def probe() -> bool:
        try:
            return wire.socket.recv(1 << 16) == b""
        except ConnectionResetError:
            return True

    return probe


# -- The end ---------------------------------------------------------------------------------------


def test_draining_lets_requests_finish_and_closes_the_rest() -> None:
    with serving() as rig:
        held = Held(rig)
        with rig.connect() as busy, rig.connect() as idle, rig.connect() as half:
            busy.send(post("x") * 2)
            half.send(post("xyz")[:40])
            held.eventually_inside(1)
            eventually(lambda: len(rig.service.connections) == 3, within_s=WAIT_S, why="a connection is missing")
            rig.call(rig.service.refuse)
            assert idle.at_end()
            half.send(post("xyz")[40:])
            answer_503 = half.answer()
            assert (answer_503.status, answer_503.code) == (503, "Unavailable")
            assert (answer_503.headers["retry-after"], answer_503.headers["connection"]) == ("1", "close")
            finished = asyncio.run_coroutine_threadsafe(rig.service.finish(time.monotonic() + WAIT_S), rig.loop)
            held.let_go()
            last = busy.answer()
            assert (last.status, last.headers["connection"]) == (200, "close")
            assert busy.at_end()
            assert finished.result(WAIT_S) == 0


def test_draining_closes_a_connection_that_becomes_idle_later() -> None:
    with serving(capacity=0) as rig, rig.connect() as wire:
        request = post("x" * 1000)
        wire.send(request[:-1])
        answer = wire.answer()
        assert answer.status == 429
        assert "connection" not in answer.headers
        rig.call(rig.service.refuse)
        wire.send(request[-1:])
        assert wire.at_end()


def test_a_silent_latecomer_does_not_hold_up_the_end() -> None:
    with serving() as rig:
        rig.call(rig.service.refuse)
        with rig.connect() as wire:
            eventually(lambda: rig.service.connections, within_s=WAIT_S, why="the connection is missing")
            assert rig.call(lambda: rig.service.finish(time.monotonic() + 60)) == 0
            assert wire.at_end()


def test_what_does_not_finish_in_time_is_dropped() -> None:
    with serving() as rig:

        async def answer(values: dict[str, object]) -> dict[str, object]:
            await asyncio.Event().wait()
            return {}

        rig.executor.answer = answer
        with rig.connect() as wire:
            wire.send(post("x"))
            eventually(lambda: rig.gate.tickets == 1, within_s=WAIT_S, why="the request did not begin")
            assert rig.call(lambda: rig.service.finish(time.monotonic() + 0.1)) == 1
            assert wire.at_end()
            eventually(lambda: rig.gate.tickets == 0, within_s=WAIT_S, why="the ticket was not given back")
