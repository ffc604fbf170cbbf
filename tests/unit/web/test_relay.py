"""Who is told that a handed-over request has begun, and who gives it up, when both are late."""

from __future__ import annotations

import asyncio
import contextlib
import resource
import socket
from collections.abc import Awaitable, Callable, Iterator
from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

import pytest
import uvloop

from pfserve.errors import NotStarted
from pfserve.web.relay import PrivateStream
from pfserve.web.wire import Wire

if TYPE_CHECKING:
    from aiohttp import StreamReader
    from aiohttp.http_parser import RawResponseMessage

    from pfserve.web.exchange import Exchange

BEGUN = b"HTTP/1.1 102 Processing\r\n\r\n"
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"


def between_two_workers(play: Callable[[PrivateStream, socket.socket], Awaitable[None]]) -> None:
    """Run ``play`` with the origin's stream and the plain socket at its other end."""

    async def run() -> None:
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        loop = asyncio.get_running_loop()
        _, stream = await loop.create_unix_connection(lambda: PrivateStream(loop), sock=ours)
        with theirs:
            await play(stream, theirs)
            stream.abort()

    uvloop.run(run())


@contextlib.contextmanager
def no_descriptor_left() -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def never() -> asyncio.TimerHandle:
    return asyncio.get_running_loop().call_later(3600, lambda: None)


async def asking(stream: PrivateStream) -> asyncio.Future[tuple[RawResponseMessage, StreamReader]]:
    """A request that is written, and waited for."""
    asked = asyncio.ensure_future(
        stream.ask(b"request", never(), cast("Exchange", SimpleNamespace(begin=lambda: None)))
    )
    await asyncio.sleep(0)
    return asked


async def runner(theirs: socket.socket) -> Wire:
    """The other worker's end as it serves it."""
    theirs.setblocking(False)
    loop = asyncio.get_running_loop()
    _, wire = await loop.create_unix_connection(lambda: Wire(loop, None), sock=theirs.dup())
    return wire


def test_a_request_that_has_begun_is_not_given_up_by_an_origin_that_reads_it_late() -> None:
    async def play(stream: PrivateStream, theirs: socket.socket) -> None:
        asked = await asking(stream)
        theirs.sendall(BEGUN)
        stream.give_up()  # as a loop does that was held up: timers come before what there is to read
        theirs.sendall(ANSWER)
        message, payload = await asked
        assert (message.code, await payload.read()) == (200, b"hi")

    between_two_workers(play)


def test_a_request_that_was_given_up_cannot_begin() -> None:
    async def play(stream: PrivateStream, theirs: socket.socket) -> None:
        asked = await asking(stream)
        wire = await runner(theirs)
        stream.give_up()
        assert wire.send_processing() is False, "the other worker must see that nobody waits"
        with pytest.raises(NotStarted):
            await asked

    between_two_workers(play)


def test_a_request_is_given_up_without_a_descriptor_left() -> None:
    """Else it would wait for the other worker until its deadline."""

    async def play(stream: PrivateStream, theirs: socket.socket) -> None:
        asked = await asking(stream)
        with no_descriptor_left():
            stream.give_up()
        with pytest.raises(NotStarted):
            await asked

    between_two_workers(play)


def test_a_request_that_is_waited_for_begins() -> None:
    async def play(stream: PrivateStream, theirs: socket.socket) -> None:
        asked = await asking(stream)
        wire = await runner(theirs)
        assert wire.send_processing()
        stream.give_up()
        theirs.sendall(ANSWER)
        message, _ = await asked
        assert message.code == 200
        wire.transport.abort()

    between_two_workers(play)
