"""What an attacker found: hostile bytes, and user code that fails in ways nobody expects. Each was a defect once."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from e2e import http_rig
from eventually import eventually
from pfserve.errors import CompileError
from pfserve.flow.document import read_document
from pfserve.web import Limits
from serving import Server, serving, write_flow

HEAD = b"POST /score HTTP/1.1\r\nHost: a\r\n"
HEALTH = b"GET /health HTTP/1.1\r\nHost: a\r\n\r\n"


# -- bytes


@pytest.mark.parametrize(
    ("opening", "flood"),
    [(b"1\r\na\r\n0\r\n", b"X: yyyyyyyyyyyyyyyy\r\n" * 500), (b"1;", b"y" * 10_000)],
    ids=["trailers", "a chunk extension"],
)
def test_what_is_no_body_is_bounded_as_a_head_is(opening: bytes, flood: bytes) -> None:
    """The parser keeps trailers: without a bound one connection could fill the memory."""
    with http_rig.serving(limits=Limits(head_bytes=4000)) as rig, rig.connect() as wire:
        wire.send(HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + opening)
        eventually(lambda: rig.gate.looks == 1, within_s=http_rig.WAIT_S, why="nobody looked")
        wire.send(flood)
        answer = wire.answer()
        assert (answer.status, answer.code, answer.headers["connection"]) == (431, "HeadersTooLarge", "close")
        assert wire.at_end()
        assert rig.gate.taken == 0


def test_trailers_of_a_sane_size_are_ignored() -> None:
    with http_rig.serving() as rig, rig.connect() as wire:
        for _ in range(2):
            wire.send(HEAD + b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n")
            for _ in range(10):
                wire.send(b"X-Checksum: " + b"y" * 1000 + b"\r\n")
            wire.send(b"\r\n")
            assert wire.answer().json == {"output": {"text": "abc"}}


@pytest.mark.parametrize("method", [b"POST /score", b"GET /health"])
def test_the_one_length_that_the_parser_takes_for_none(method: bytes) -> None:
    """2**64 - 1: aiohttp hands over an empty body, while its parser waits for that many bytes."""
    with http_rig.serving() as rig, rig.connect() as wire:
        wire.send(method + b" HTTP/1.1\r\nHost: a\r\nContent-Length: 18446744073709551615\r\n\r\nabc")
        answer = wire.answer()
        assert (answer.status, answer.headers["connection"]) == (413, "close")
        assert wire.at_end()


def test_chunks_in_http_1_0_end_the_connection() -> None:
    """RFC 9112, 6.1: the framing of such a message is faulty, whoever passed it on may have seen other bounds."""
    with http_rig.serving() as rig, rig.connect() as wire:
        chunks = b"Connection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"
        wire.send(b"POST /score HTTP/1.0\r\n" + chunks + HEALTH)
        assert wire.answer().headers["connection"] == "close"
        assert wire.at_end()


# -- user code

TOOL = """
import asyncio, sys
from promptflow.core import tool

class Mute(BaseException):
    def __str__(self): raise Mute

class Leaving(Exception):
    def __str__(self): raise SystemExit(3)

class Odd:
    def __getattr__(self, name): raise Mute

def raise_it(text):
    if text == "mute": raise Mute
    if text == "leaving": raise Leaving
"""
ASYNC = """
@tool
async def work(text: str):
    raise_it(text)
    if text == "cancel":
        asyncio.current_task().cancel()
        await asyncio.sleep(10)
    if text == "stop":
        asyncio.get_running_loop().stop()
        await asyncio.sleep(0)
    if text == "odd":
        return Odd()
    return {"said": text}
"""
SYNC = """
@tool
def work(text: str):
    raise_it(text)
    return {"said": text}
"""


@pytest.fixture(scope="module")
def async_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    yield from serve(tmp_path_factory.mktemp("async"), ASYNC)


@pytest.fixture(scope="module")
def sync_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    yield from serve(tmp_path_factory.mktemp("sync"), SYNC)


def serve(folder: Path, tool: str) -> Iterator[Server]:
    """One worker, one thread, one place: whatever is lost is missed at once."""
    flow = write_flow(folder / "flow", TOOL + tool)
    document = flow / "flow.dag.yaml"
    document.write_text(document.read_text().replace("${work.output}", "${work.output.said}"))
    with serving(flow, "--workers", "1", "--max-concurrent-requests", "1") as running:
        yield running
        assert "exited" not in running.log, "the worker was lost"


@pytest.mark.parametrize("kind", ["async_server", "sync_server"])
@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("mute", "Execution failure in 'work': (Mute) <no text: str() raised Mute>"),
        ("leaving", "Execution failure in 'work': (Leaving) <no text: str() raised SystemExit>"),
    ],
)
def test_an_exception_whose_text_raises_is_answered(
    request: pytest.FixtureRequest, kind: str, text: str, message: str
) -> None:
    server = request.getfixturevalue(kind)
    assert server.score({"text": text}, timeout_s=3).error == ("UserError", message)
    assert server.score({"text": "next"}, timeout_s=3).json == {"answer": "next"}


def test_a_node_that_cancels_its_own_request_is_answered(async_server: Server) -> None:
    answer = async_server.score({"text": "cancel"}, timeout_s=3)
    assert (answer.status, answer.error[0]) == (400, "UserError")
    assert "cancelled" in answer.error[1]
    assert async_server.score({"text": "next"}).json == {"answer": "next"}


def test_a_property_that_raises_what_is_no_exception_is_answered(async_server: Server) -> None:
    assert async_server.score({"text": "odd"}, timeout_s=3).error[0] == "SystemError"
    assert async_server.score({"text": "next"}).json == {"answer": "next"}


def test_a_node_that_stops_the_event_loop_does_not_end_the_worker(async_server: Server) -> None:
    assert async_server.score({"text": "stop"}).json == {"answer": "stop"}
    assert async_server.score({"text": "next"}).json == {"answer": "next"}


# -- flow files


@pytest.mark.parametrize("value", ["!!bool maybe", "!!timestamp x", "!!float ''", "!!int ''", "!!timestamp 2024-99-01"])
def test_a_scalar_that_its_own_tag_forbids_is_a_mistake_with_its_line(value: str) -> None:
    with pytest.raises(CompileError, match="flow:2: invalid YAML"):
        read_document(f"inputs:\n  a: {value}\n".encode(), "flow")
