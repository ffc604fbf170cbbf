"""Connections that go on in another process: with every byte received, unnoticed by their clients."""

from __future__ import annotations

import asyncio
import os
import socket
import time
from collections.abc import Callable
from concurrent.futures import Future
from functools import partial

import pytest

from e2e.http_rig import WAIT_S, Held, Rig, get, post, serving
from eventually import eventually
from pfserve.web import Connection
from pfserve.web.state import State

MOST = 64 * 1024


def test_an_idle_connection_is_given_away_without_its_client_noticing() -> None:
    with serving() as giver, serving() as taker, giver.connect() as wire:
        wire.send(post("one"))
        assert wire.answer().status == 200
        hand_over(giver, taker)
        wire.send(post("two"))
        assert wire.answer().json == {"output": {"text": "two"}}
        assert (len(giver.executor.asked), len(taker.executor.asked)) == (1, 1)


def test_a_connection_with_a_request_is_not_given_away() -> None:
    with serving() as rig:
        held = Held(rig)
        with rig.connect() as wire:
            wire.send(post("x"))
            held.eventually_inside(1)
            assert rig.call(rig.service.idle_connections) == []
            assert rig.call(lambda: next(iter(rig.service.connections)).to_move(MOST)) is None
            held.let_go()
            assert wire.answer().status == 200


BIG = "x" * 2000
BEHIND = {
    "half a head alone": (b"", [], b"GET /hea", b"lth HTTP/1.1\r\nHost: x\r\n\r\n", [200]),
    "half a head behind a request": (get("/health"), [200], b"GET /hea", b"lth HTTP/1.1\r\nHost: x\r\n\r\n", [200]),
    "half a head behind a body": (post("a"), [200], b"GET /hea", b"lth HTTP/1.1\r\nHost: x\r\n\r\n", [200]),
    "half a body": (b"", [], b"", post("a"), [200]),
    "empty lines": (b"\r\n" + get("/health"), [200], b"\r\n\r\nGET /hea", b"lth HTTP/1.1\r\nHost: x\r\n\r\n", [200]),
    "a chunked body before": (
        b"POST /score HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n",
        [200],
        b"",
        get("/health"),
        [200],
    ),
    "several requests before": (get("/health") * 3 + post("b"), [200] * 4, b"POST /s", post("c")[7:], [200]),
}


@pytest.mark.parametrize("name", BEHIND)
def test_a_connection_is_given_away_with_the_bytes_received(name: str) -> None:
    first, statuses, half, rest, more = BEHIND[name]
    with serving() as giver, serving() as taker, giver.connect() as wire:
        wire.send(first + half)
        assert [wire.answer().status for _ in statuses] == statuses
        eventually(lambda: giver.service.connections, within_s=WAIT_S, why="the connection is missing")
        if half and not statuses:
            eventually(lambda: rig_state(giver) is State.HEAD, within_s=WAIT_S, why="half a head should be there")
        hand_over(giver, taker)
        wire.send(rest)
        assert [wire.answer().status for _ in more] == more


def test_a_body_that_came_in_pieces_leaves_the_next_head_whole() -> None:
    with serving() as giver, serving() as taker, giver.connect() as wire:
        request = post(BIG)
        wire.send(request[:-10])
        eventually(lambda: giver.service.in_progress == 1, within_s=WAIT_S, why="the request should have begun")
        wire.send(request[-10:] + b"GET /hea")
        assert wire.answer().status == 200
        hand_over(giver, taker)
        wire.send(b"lth HTTP/1.1\r\nHost: x\r\n\r\n")
        assert wire.answer().status == 200


def test_a_chunked_body_whose_end_came_alone_holds_its_connection_nowhere() -> None:
    with serving() as giver, serving() as taker, giver.connect() as wire:
        wire.send(b"POST /score HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n")
        eventually(lambda: giver.service.in_progress == 1, within_s=WAIT_S, why="the request should have begun")
        wire.send(b"\r\n")
        assert wire.answer().status == 200
        hand_over(giver, taker)
        wire.send(get("/health"))
        assert wire.answer().status == 200


def test_pipelined_requests_are_given_away_between_two_of_them() -> None:
    with serving() as giver, serving() as taker, giver.connect() as wire:
        held = Held(giver)
        wire.send(post("one") + post("two"))
        held.eventually_inside(1)
        wire.send(post("three") + b"POST /sco")
        retiring = retire_to(giver, taker)
        held.let_go()
        assert wire.answer().json == {}
        assert [wire.answer().json for _ in range(2)] == [{"output": {"text": text}} for text in ("two", "three")]
        assert retiring.result(WAIT_S) == 0
        wire.send(b"re HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\nx")
        assert wire.answer().json == {"output": {"text": "x"}}
        assert (len(giver.executor.asked), len(taker.executor.asked)) == (1, 3)


def test_a_busy_connection_that_is_one_too_many_moves_between_two_requests() -> None:
    with serving() as giver, serving() as taker, giver.connect() as wire, giver.connect() as other:
        held = Held(giver)
        wire.send(post("one") + post("two"))
        held.eventually_inside(1)
        giver.call(lambda: giver.service.shed(1, giving_to(taker)))
        held.let_go()
        assert wire.answer().json == {}
        assert wire.answer().json == {"output": {"text": "two"}}
        other.send(post("three"))
        assert other.answer().status == 200
        assert (len(giver.executor.asked), len(taker.executor.asked)) == (2, 1), "one only"


def test_who_retires_serves_on_while_nobody_takes_over() -> None:
    with serving() as rig, rig.connect() as wire:
        eventually(lambda: rig.service.connections, within_s=WAIT_S, why="the connection is missing")
        retiring = asyncio.run_coroutine_threadsafe(
            rig.service.retire(lambda _: False, lambda: False, time.monotonic() + 2 * WAIT_S), rig.loop
        )
        for text in ("one", "two"):
            wire.send(post(text))
            answer = wire.answer()
            assert (answer.status, answer.headers.get("connection")) == (200, None)
        wire.socket.close()
        assert retiring.result(WAIT_S) == 0


def rig_state(rig: Rig) -> State:
    return rig.call(lambda: next(iter(rig.service.connections)).state)


def hand_over(giver: Rig, taker: Rig) -> None:
    """Move the only connection of one server to the other."""
    given = giver.call(lambda: taken_away(next(iter(giver.service.connections))))
    assert given is not None
    eventually(lambda: giver.closed == 1, within_s=WAIT_S, why="the giver still has it")
    adopt(taker, *given)


def taken_away(connection: Connection) -> tuple[socket.socket, bytes] | None:
    """A copy of the socket, as another process gets one, and what was received."""
    moving = connection.to_move(MOST)
    if moving is None:
        return None
    copy = socket.socket(fileno=os.dup(moving[0].fileno()))
    connection.abort()
    return copy, moving[1]


def adopt(taker: Rig, connection: socket.socket, received: bytes) -> None:
    connection.setblocking(False)
    protocol = partial(taker.service.protocol, received)
    taker.call(lambda: taker.loop.connect_accepted_socket(protocol, connection))


def giving_to(taker: Rig) -> Callable[[Connection], None]:
    def give(connection: Connection) -> None:
        given = taken_away(connection)
        if given is not None:
            protocol = partial(taker.service.protocol, given[1])
            asyncio.run_coroutine_threadsafe(taker.loop.connect_accepted_socket(protocol, given[0]), taker.loop)

    return give


def retire_to(giver: Rig, taker: Rig) -> Future[int]:
    retiring = giver.service.retire(giving_to(taker), lambda: False, time.monotonic() + WAIT_S)
    return asyncio.run_coroutine_threadsafe(retiring, giver.loop)
