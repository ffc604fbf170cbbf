"""Too large, too slow, too early: limits on heads and bodies, and ``100 Continue``."""

from __future__ import annotations

import pytest

from e2e.http_rig import WAIT_S, get, post, serving
from eventually import eventually
from pfserve.web import Limits


def chunked(*chunks: bytes, end: bool = True) -> bytes:
    head = b"POST /score HTTP/1.1\r\nHost: rig\r\nTransfer-Encoding: chunked\r\n\r\n"
    body = b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks)
    return head + body + (b"0\r\n\r\n" if end else b"")


# -- Size ------------------------------------------------------------------------------------------


def test_a_body_at_the_limit_and_one_byte_beyond() -> None:
    with serving(limits=Limits(body_bytes=1000)) as rig, rig.connect() as wire:
        wire.send(post("x" * 1000))
        assert wire.answer().status == 200
        wire.send(post("x" * 1001))
        answer = wire.answer()
        assert (answer.status, answer.code) == (413, "PayloadTooLarge")
        assert "1000 bytes" in answer.message


def test_an_announced_body_is_refused_before_it_comes() -> None:
    with serving(limits=Limits(body_bytes=1_000_000)) as rig, rig.connect() as wire:
        wire.send(b"POST /score HTTP/1.1\r\nHost: rig\r\nContent-Length: 99999999999\r\n\r\n")
        answer = wire.answer()
        assert (answer.status, answer.headers["connection"]) == (413, "close")
        assert wire.at_end()
        assert rig.gate.taken == 0


def test_a_body_beyond_aiohttps_own_limit() -> None:
    with serving() as rig:
        assert rig.ask(post("x" * 5_000_000)).status == 200


@pytest.mark.parametrize("chunks", [(), (b"a",), (b"plain ", b"words"), (b"x" * 300_000,) * 3])
def test_chunked_bodies(chunks: tuple[bytes, ...]) -> None:
    with serving() as rig, rig.connect() as wire:
        for _ in range(2):
            wire.send(chunked(*chunks))
            assert wire.answer().json == {"output": {"text": b"".join(chunks).decode()}}


def test_a_chunked_body_beyond_the_limit_is_cut_off() -> None:
    with serving(limits=Limits(body_bytes=1_000_000)) as rig, rig.connect() as wire:
        wire.send(chunked(*[b"x" * 100_000] * 11, end=False))
        answer = wire.answer()
        assert (answer.status, answer.headers["connection"]) == (413, "close")
        assert wire.at_end()


@pytest.mark.parametrize("together", [True, False])
def test_broken_chunks(together: bool) -> None:
    with serving() as rig, rig.connect() as wire:
        good, bad = chunked(b"abc", end=False), b"no size\r\n"
        if together:
            wire.send(good + bad)
        else:
            wire.send(good)
            eventually(lambda: rig.gate.looks == 1, within_s=WAIT_S, why="nobody looked")
            wire.send(bad)
        answer = wire.answer()
        assert (answer.status, answer.code, answer.headers["connection"]) == (400, "BadRequest", "close")
        assert wire.at_end()
        assert rig.gate.taken == 0


def test_too_many_bytes_of_bodies_at_once() -> None:
    with serving(limits=Limits(bodies_in_flight_bytes=1000)) as rig:
        with rig.connect() as first, rig.connect() as second:
            first.send(post("x" * 900)[:-1])
            flying = rig.service._bodies
            eventually(lambda: flying.in_flight_bytes == 899, within_s=WAIT_S, why="the first did not come")
            second.send(post("y" * 103)[:-1])
            answer = second.answer()
            assert (answer.status, answer.code, answer.headers["retry-after"]) == (503, "Unavailable", "1")
            second.send(b"y" + post("z" * 100)[:-1])
            eventually(lambda: rig.gate.looks == 3, within_s=WAIT_S, why="the third did not begin")
            second.send(b"z")
            assert second.answer().status == 200
            first.send(b"x")
            assert first.answer().status == 200
        assert rig.call(lambda: rig.service._bodies.in_flight_bytes) == 0
        assert rig.call(lambda: len(rig.service._bodies._checks)) == 0


def test_a_body_that_is_only_announced_keeps_nobody_out() -> None:
    with serving(limits=Limits(bodies_in_flight_bytes=1000)) as rig, rig.connect() as liar, rig.connect() as honest:
        liar.send(post("x" * 10_000_000)[:-9_999_999])
        eventually(lambda: rig.gate.looks == 1, within_s=WAIT_S, why="the first did not begin")
        honest.send(post("y" * 900)[:-1])
        eventually(lambda: rig.gate.looks == 2, within_s=WAIT_S, why="the second did not begin")
        honest.send(b"y")
        assert honest.answer().status == 200


HEAD_LIMIT = Limits(head_bytes=4096, linger_s=0.2)


@pytest.mark.parametrize(
    "head",
    [
        get("/" + "x" * 5000),
        get("/health", "x: " + "y" * 5000),
        get("/health", *[f"x{i}: y" for i in range(1000)]),
        get("/health", *[f"x{i}: {'y' * 1000}" for i in range(5)]),
        b"GET /health HTTP/1.1\r\nx: " + b"y" * 5000,
        b"x" * 5000,
    ],
    ids=["path", "header", "many", "sum", "endless header", "endless line"],
)
@pytest.mark.parametrize("piece", [100_000, 700])
def test_heads_beyond_the_limit(head: bytes, piece: int) -> None:
    with serving(limits=HEAD_LIMIT) as rig, rig.connect() as wire:
        for start in range(0, len(head), piece):
            wire.send(head[start : start + piece])
        answer = wire.answer()
        assert answer.status in ((400, 431) if head[:3] == b"xxx" else (431,))
        assert answer.headers["connection"] == "close"
        assert wire.at_end()


def test_a_head_within_the_limit_before_a_large_body() -> None:
    with serving(limits=HEAD_LIMIT) as rig:
        assert rig.ask(post("x" * 100_000, "x: " + "y" * 3500)).status == 200


def test_two_hundred_headers_are_fine() -> None:
    with serving() as rig:
        assert rig.ask(get("/health", *[f"x{i}: y" for i in range(200)])).status == 200


# -- Slowness --------------------------------------------------------------------------------------


def test_a_head_that_does_not_come_to_its_end() -> None:
    with serving(limits=Limits(head_s=0.2, linger_s=0.1)) as rig, rig.connect() as wire:
        wire.send(b"POST /score HT")
        answer = wire.answer()
        assert (answer.status, answer.code) == (408, "RequestTimeout")
        assert "head" in answer.message
        assert wire.at_end()


def test_a_head_in_pieces_within_its_time() -> None:
    with serving() as rig, rig.connect() as wire:
        for byte in post("abc"):
            wire.send(bytes([byte]))
        assert wire.answer().json == {"output": {"text": "abc"}}
        for byte in get("/health"):
            wire.send(bytes([byte]))
        assert wire.answer().status == 200


def test_the_deadline_of_a_head_ends_with_the_head() -> None:
    with serving() as rig, rig.connect() as wire:
        wire.send(post("abc")[:10])
        eventually(lambda: len(rig.service.head_deadlines) == 1, within_s=WAIT_S, why="the head has no deadline")
        wire.send(post("abc")[10:])
        assert wire.answer().status == 200
        assert rig.call(lambda: len(rig.service.head_deadlines)) == 0


def test_a_client_that_leaves_within_its_head() -> None:
    with serving() as rig:
        with rig.connect() as wire:
            wire.send(b"POST /sc")
            eventually(lambda: len(rig.service.head_deadlines) == 1, within_s=WAIT_S, why="the head has no deadline")
        eventually(lambda: rig.closed == 1, within_s=WAIT_S, why="the connection was not closed")
        assert rig.call(lambda: len(rig.service.head_deadlines)) == 0


@pytest.mark.parametrize(
    ("limits", "sent", "message"),
    [
        (Limits(body_first_byte_s=0.2), 0, "no byte of it came within 0.2 s"),
        (Limits(body_first_byte_s=0.2, body_bytes_per_s=1e6), 5, "it came slower than 1e+06 bytes a second"),
        (Limits(body_first_byte_s=0.1, body_s=0.2, body_bytes_per_s=0.0), 5, "it was not complete within 0.2 s"),
    ],
)
def test_a_slow_body_holds_no_ticket_and_is_given_up(limits: Limits, sent: int, message: str) -> None:
    with serving(limits=limits) as rig, rig.connect() as wire:
        wire.send(post("x" * 100)[: sent - 100])
        answer = wire.answer()
        assert (answer.status, answer.code, answer.headers["connection"]) == (408, "RequestTimeout", "close")
        assert message in answer.message
        wire.socket.close()
        assert rig.gate.taken == 0


def test_an_idle_connection_is_closed() -> None:
    with serving(limits=Limits(keep_alive_s=0.0)) as rig, rig.connect() as silent, rig.connect() as used:
        used.send(post("x"))
        assert used.answer().status == 200
        eventually(lambda: len(rig.service.connections) == 2, within_s=WAIT_S, why="a connection is missing")
        rig.call(rig.service.tick)
        assert silent.at_end()
        assert used.at_end()


def test_a_client_that_never_takes_its_answer_is_cut_off() -> None:
    async def answer(values: dict[str, object]) -> dict[str, object]:
        return {"output": "x" * 20_000_000}

    with serving(limits=Limits(keep_alive_s=0.0)) as rig, rig.connect() as wire:
        rig.executor.answer = answer
        wire.send(post("x"))

        def flushing() -> bool:
            return [connection.state.value for connection in rig.service.connections] == ["flushing"]

        eventually(flushing, within_s=WAIT_S, why="the answer went out")
        rig.call(rig.service.tick)
        eventually(lambda: rig.closed == 1, within_s=WAIT_S, why="the connection was not closed")


def test_a_client_that_takes_its_answer_slowly_is_not_cut_off() -> None:
    size = 20_000_000

    async def answer(values: dict[str, object]) -> dict[str, object]:
        return {"output": "x" * size}

    with serving(limits=Limits(keep_alive_s=0.0)) as rig, rig.connect() as wire:
        rig.executor.answer = answer
        wire.send(post("x"))

        def flushing() -> bool:
            return [connection.state.value for connection in rig.service.connections] == ["flushing"]

        eventually(flushing, within_s=WAIT_S, why="the answer went out")
        connection = next(iter(rig.service.connections))
        rig.call(lambda: connection.unsent_bytes(0.0))
        taken = 0
        while taken < size // 2:
            before = connection._unsent
            taken += len(wire.socket.recv(1_000_000))

            def has_progressed(before: int = before) -> bool:
                since_s = connection.since_s
                rig.call(lambda: connection.unsent_bytes(since_s + 1.0))
                return connection.since_s > since_s and connection._unsent < before

            eventually(has_progressed, within_s=WAIT_S, why="what the client takes is progress")
        since_s = connection.since_s
        rig.call(lambda: connection.unsent_bytes(since_s + 1.0))
        assert connection.since_s == since_s, "nothing was taken since"
        assert rig.closed == 0


def test_a_tick_keeps_what_is_not_idle_for_long() -> None:
    with serving() as rig, rig.connect() as wire:
        wire.send(post("x"))
        wire.answer()
        rig.call(rig.service.tick)
        wire.send(post("x"))
        assert wire.answer().status == 200


# -- 100 Continue ----------------------------------------------------------------------------------

EXPECTING = b"POST /score HTTP/1.1\r\nHost: rig\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n"


def test_continue_comes_after_the_look_and_before_the_body() -> None:
    with serving() as rig, rig.connect() as wire:
        wire.send(EXPECTING)
        assert wire.take_until(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        assert (rig.gate.looks, rig.gate.taken) == (1, 0)
        wire.send(b"abc")
        assert wire.answer().json == {"output": {"text": "abc"}}
        wire.send(EXPECTING)
        assert wire.take_until(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        wire.send(b"def")
        assert wire.answer().json == {"output": {"text": "def"}}


@pytest.mark.parametrize(
    ("capacity", "head", "status"),
    [
        (0, EXPECTING, 429),
        (9, EXPECTING.replace(b"Expect", b"Accept: image/png\r\nExpect"), 406),
        (9, EXPECTING.replace(b": 3", b": 99999999999"), 413),
        (9, EXPECTING.replace(b"/score", b"/nope"), 404),
    ],
)
def test_no_continue_for_what_is_refused(capacity: int, head: bytes, status: int) -> None:
    with serving(capacity=capacity, limits=Limits(linger_s=0.1)) as rig, rig.connect() as wire:
        wire.send(head)
        answer = wire.answer()
        assert (answer.status, answer.headers["connection"]) == (status, "close")
        assert wire.at_end()


def test_no_continue_where_the_body_is_there_or_nobody_asked() -> None:
    with serving() as rig, rig.connect() as wire:
        wire.send(EXPECTING + b"abc")
        assert wire.answer().json == {"output": {"text": "abc"}}
        wire.send(EXPECTING.replace(b"1.1", b"1.0"))
        assert wire.is_quiet()
        wire.send(b"abc")
        assert wire.answer().status == 200
