"""Answers as servers send them, whole and in pieces, honest and not."""

from __future__ import annotations

import pytest

from bench.generator.answer import HEAD_LIMIT_BYTES, Answer, Malformed
from bench.sample import NOT_TOLD

OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"


def fed(data: bytes, piece: int = 0, *, is_head: bool = False) -> tuple[Answer, list[bool]]:
    """The answer after ``data``, in pieces of so many bytes, and what each feeding told."""
    answer = Answer(is_head=is_head)
    size = piece or len(data)
    return answer, [answer.feed(data[start : start + size], start) for start in range(0, len(data), size)]


WHOLE = {
    "length": (OK + b"Content-Length: 5\r\n\r\nhello", 5),
    "length in small letters": (OK + b"content-length:5\r\n\r\nhello", 5),
    "nothing": (OK + b"Content-Length: 0\r\n\r\n", 0),
    "no content": (b"HTTP/1.1 204 No Content\r\n\r\n", 0),
    "not modified": (b"HTTP/1.1 304 Not Modified\r\nContent-Length: 99\r\n\r\n", 0),
    "chunks": (CHUNKED + b"5\r\nhello\r\n6;a=b\r\n world\r\n0\r\n\r\n", 11),
    "chunks with a trailer": (CHUNKED + b"A\r\n0123456789\r\n0\r\nX: y\r\nZ: w\r\n\r\n", 10),
    "a chunk that holds line ends": (CHUNKED + b"8\r\n\r\n0\r\n\r\n\r\r\n0\r\n\r\n", 8),
    "continue first": (b"HTTP/1.1 100 Continue\r\n\r\n" + OK + b"Content-Length: 2\r\n\r\nok", 2),
    "continue again and again": (b"HTTP/1.1 100 Continue\r\n\r\n" * 2000 + OK + b"Content-Length: 2\r\n\r\nok", 2),
    "no reason": (b"HTTP/1.1 200\r\nContent-Length: 2\r\n\r\nok", 2),
}


@pytest.mark.parametrize(("data", "size"), WHOLE.values(), ids=WHOLE)
@pytest.mark.parametrize("piece", [0, 1, 2, 3, 7])
def test_an_answer_is_whole_with_its_last_byte(data, size, piece):
    answer, told = fed(data, piece)
    assert told == [False] * (len(told) - 1) + [True]
    assert (answer.received_bytes, answer.surplus) == (size, False)
    assert answer.is_kept


@pytest.mark.parametrize("data", [data for data, _ in WHOLE.values()], ids=WHOLE)
def test_a_byte_too_many_is_noticed(data):
    answer, told = fed(data + b"!")
    assert told == [True]
    assert answer.surplus


def test_without_a_length_the_end_of_the_connection_is_the_end():
    answer, told = fed(OK + b"\r\nhello", 3)
    assert not any(told)
    assert answer.closed()
    assert (answer.received_bytes, answer.is_kept) == (5, False)


def test_an_answer_with_a_length_is_not_ended_by_the_connection():
    answer, _ = fed(OK + b"Content-Length: 5\r\n\r\nhel")
    assert not answer.closed()
    assert not Answer().closed()


@pytest.mark.parametrize("data", [OK + b"Content-Length: 5\r\n\r\n", CHUNKED])
def test_an_answer_to_head_has_no_body(data):
    assert fed(data, is_head=True)[1] == [True]


@pytest.mark.parametrize(
    "data",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nconnection:Close\r\n\r\n",
        b"HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n",
    ],
)
def test_a_connection_that_will_be_closed_is_not_kept(data):
    assert not fed(data)[0].is_kept


def test_close_elsewhere_means_nothing():
    assert fed(b"HTTP/1.1 200 Close\r\nContent-Length: 0\r\nConnection: keep-alive\r\nX: close\r\n\r\n")[0].is_kept


@pytest.mark.parametrize(
    "data",
    [
        b"hello\r\n\r\n",
        b"hello",
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"HTTP/2 200\r\n\r\n",
        b"HTTP/1.1 abc\r\n\r\n",
        b"HTTP/1.1 2000\r\n\r\n",
        OK + b"Content-Length: -1\r\n\r\n",
        OK + b"Content-Length: five\r\n\r\n",
        CHUNKED + b"zz\r\n",
        CHUNKED + b"\r\n",
        CHUNKED + b"5\r\nhelloXX",
        CHUNKED + b"5\r\nhello world\r\n",
        OK + b"X: " + b"y" * HEAD_LIMIT_BYTES,
        CHUNKED + b"1" * (HEAD_LIMIT_BYTES + 1),
    ],
)
@pytest.mark.parametrize("piece", [0, 1])
def test_what_is_no_answer(data, piece):
    with pytest.raises(Malformed):
        fed(data, piece or len(data)) if piece == 0 or len(data) < 1000 else fed(data, 1000)


@pytest.mark.parametrize(
    ("fields", "after_s"),
    [
        (b"Retry-After: 3\r\n", 3),
        (b"Retry-After: 3\r\nretry-after-ms: 250\r\n", 0.25),
        (b"Retry-After: Fri, 31 Dec 1999 23:59:59 GMT\r\n", None),
        (b"", None),
    ],
)
def test_when_to_come_again(fields, after_s):
    answer, _ = fed(b"HTTP/1.1 429 Too Many Requests\r\nContent-Length: 0\r\n" + fields + b"\r\n")
    assert (answer.status, answer.retry_after_s) == (429, after_s)


def test_the_beginning_of_what_is_no_success_is_kept():
    answer, _ = fed(b"HTTP/1.1 500 Oops\r\nContent-Length: 1000\r\n\r\n" + b"x" * 1000)
    assert answer.excerpt == b"x" * 400
    assert fed(WHOLE["length"][0])[0].excerpt == b""


def test_clear_forgets_everything():
    answer, _ = fed(b"HTTP/1.1 429 No\r\nContent-Length: 1\r\nRetry-After: 3\r\nConnection: close\r\n\r\n!!")
    answer.clear()
    assert (answer.status, answer.is_kept, answer.surplus, answer.retry_after_s) == (0, True, False, None)
    assert (answer.excerpt, answer.received_bytes) == (b"", 0)
    assert answer.feed(WHOLE["length"][0], 0)


def test_events_are_read_whatever_carries_them():
    stream = b'data: {"a": "x"}\n\ndata: {"a": "y"}\n\n'
    chunks = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in (stream[:20], stream[20:])) + b"0\r\n\r\n"
    head = OK + b"Content-Type: text/event-stream; charset=utf-8\r\n"
    for data in (
        head + b"Transfer-Encoding: chunked\r\n\r\n" + chunks,
        head + b"Content-Length: %d\r\n\r\n" % len(stream) + stream,
    ):
        answer, told = fed(data, 5)
        assert told[-1]
        assert answer.events is not None
        assert answer.events.tokens == 2
    assert fed(WHOLE["chunks"][0])[0].events is None


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        (b"Server-Timing: queue;dur=0.123, run;dur=12.5\r\n", (123, 12_500)),
        (b"server-timing: app ; dur = 7\r\n", (NOT_TOLD, 7000)),
        (b'Server-Timing: miss, wait;dur=1,db;dur=53,app;desc="a, b;dur=9";dur=47.2\r\n', (1000, 47_200)),
        (b"Server-Timing: cdn;dur=5\r\nX: y\r\nServer-Timing: queue;dur=2\r\n", (2000, NOT_TOLD)),
        (b"Server-Timing: queue;dur=2, queue;dur=3, wait;dur=4\r\n", (2000, NOT_TOLD)),
        (b"Server-Timing: queue;dur=999999999\r\n", (NOT_TOLD - 1, NOT_TOLD)),
        (b"Server-Timing: queue;dur=-1, run;dur=x, run, total;dur=3, queue;dur=1.2.3\r\n", (NOT_TOLD, NOT_TOLD)),
        (b"X-Server-Timing: queue;dur=1\r\n", (NOT_TOLD, NOT_TOLD)),
        (b"", (NOT_TOLD, NOT_TOLD)),
    ],
)
@pytest.mark.parametrize("status", [b"200 OK", b"429 Too Many Requests"])
def test_what_the_server_tells_of_its_time(lines, told, status):
    answer, _ = fed(b"HTTP/1.1 " + status + b"\r\nContent-Length: 0\r\n" + lines + b"\r\n")
    assert (answer.queue_us, answer.run_us) == told
    answer.clear()
    assert (answer.queue_us, answer.run_us) == (NOT_TOLD, NOT_TOLD)


def test_an_interim_answer_tells_no_times():
    answer, _ = fed(
        b"HTTP/1.1 103 Early Hints\r\nServer-Timing: queue;dur=1\r\n\r\n" + OK + b"Content-Length: 0\r\n\r\n"
    )
    assert answer.queue_us == NOT_TOLD
