"""Chunks taken off a connection past aiohttp's parser: only whole ones, and never one that is not a chunk."""

from __future__ import annotations

import asyncio

import pytest
from aiohttp import ClientPayloadError, hdrs

from pfserve.llm.tap import Handler, StreamBody

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
END = b"0\r\n\r\n"


def chunk(text: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(text), text)


def event(text: str) -> bytes:
    return f"data: {text}\n\n".encode()


class Transport:
    """Says whether it is read."""

    def __init__(self):
        self.is_read = True
        self.closed = False

    def pause_reading(self):
        self.is_read = False

    def resume_reading(self):
        self.is_read = True

    def close(self):
        self.closed = True

    def get_extra_info(self, name):
        return None


class Response:
    """What of a response the body looks at."""

    def __init__(self, handler, content, headers):
        self.connection = type("Connection", (), {"protocol": handler})()
        self.content = content
        self.headers = headers


async def opened(handler, transport, *, takes=True, headers=()):
    """The body of a response whose head and first event have come and were read."""
    handler.connection_made(transport)
    handler.set_response_params(read_timeout=600)
    handler.data_received(HEAD + chunk(event("first")))
    _, content = await handler.read()
    body = StreamBody(Response(handler, content, dict(headers)), takes=takes)
    assert await body.readany() == event("first")
    return body


async def waiting(body):
    """A read that waits for what comes."""
    reading = asyncio.ensure_future(body.readany())
    await asyncio.sleep(0)
    return reading


def run(scenario, **options):
    async def main():
        handler, transport = Handler(asyncio.get_running_loop()), Transport()
        body = await opened(handler, transport, **options)
        await asyncio.wait_for(scenario(handler, transport, body), 5)

    asyncio.run(main())


def test_chunks_are_taken_between_two_events_and_the_end_is_the_parsers():
    async def scenario(handler, _, body):
        reading = await waiting(body)
        assert handler.body is body
        handler.data_received(chunk(event("a")))
        assert await reading == event("a")
        handler.data_received(chunk(event("b")) + chunk(event("c")))
        assert await body.readany() == event("b") + event("c")
        handler.data_received(chunk(event("d")) + END)
        assert await body.readany() == event("d")
        assert handler.body is None
        assert await body.readany() == b""
        assert body._content.at_eof()

    run(scenario)


PIECES = [
    [chunk(event("a"))[:9], chunk(event("a"))[9:]],  # within a chunk
    [chunk(event("a"))[:1], chunk(event("a"))[1:]],  # within its size
    [chunk(event("a"))[:3], chunk(event("a"))[3:]],  # between its size and its text
    [chunk(event("a"))[:-2], chunk(event("a"))[-2:]],
    [chunk(event("a")[:-1]), chunk(event("a")[-1:])],  # an event in two chunks
    [b"9;name=value\r\n" + chunk(event("a"))[3:]],  # an extension
    [b"B\r\n" + event("long ")[:11] + b"\r\n"],
]


@pytest.mark.parametrize("pieces", PIECES)
def test_what_is_no_whole_chunk_is_the_parsers_until_it_is_between_two_again(pieces):
    async def scenario(handler, _, body):
        reading = await waiting(body)
        for piece in pieces:
            handler.data_received(piece)
        handler.data_received(chunk(event("b")) + END)
        read = await reading
        while data := await body.readany():
            read += data
        whole = b"".join(pieces)
        assert read.endswith(event("b"))
        assert len(read) >= len(event("b")) + 5
        assert read[: -len(event("b"))] in (event("a"), event("long ")[:11]), whole

    run(scenario)


def test_it_takes_up_again_after_a_chunk_that_came_in_two_pieces():
    async def scenario(handler, _, body):
        reading = await waiting(body)
        handler.data_received(chunk(event("abc"))[:6])
        handler.data_received(chunk(event("abc"))[6:])
        assert handler.body is None
        assert await reading == event("abc")
        reading = await waiting(body)
        assert handler.body is body
        handler.data_received(chunk(event("d")))
        assert await reading == event("d")

    run(scenario)


def test_bytes_that_are_no_chunk_fail_as_ever():
    async def scenario(handler, transport, body):
        reading = await waiting(body)
        handler.data_received(chunk(event("a")) + b"no chunk\r\n")
        assert await reading == event("a")
        assert transport.closed
        with pytest.raises(ClientPayloadError, match="not completed"):
            await body.readany()

    run(scenario)


def test_bytes_that_are_no_chunk_fail_who_waits():
    async def scenario(handler, _, body):
        reading = await waiting(body)
        handler.data_received(b"no chunk\r\n")
        with pytest.raises(ClientPayloadError, match="not completed"):
            await reading

    run(scenario)


def test_a_connection_that_is_lost_fails_after_what_came():
    async def scenario(handler, _, body):
        reading = await waiting(body)
        handler.data_received(chunk(event("a")))
        handler.connection_lost(None)
        assert await reading == event("a")
        with pytest.raises(ClientPayloadError, match="not completed"):
            await body.readany()

    run(scenario)


def test_a_slow_reader_stops_the_connection():
    async def scenario(handler, transport, body):
        reading = await waiting(body)
        reading.cancel()
        handler.data_received(chunk(event("x" * 70_000)))
        assert not transport.is_read
        assert len(await body.readany()) > 70_000
        assert transport.is_read

    run(scenario)


@pytest.mark.parametrize("options", [{"takes": False}, {"headers": {hdrs.CONTENT_ENCODING: "gzip"}}])
def test_nothing_is_taken_where_silence_has_to_be_bounded_or_chunks_are_compressed(options):
    async def scenario(handler, _, body):
        reading = await waiting(body)
        assert handler.body is None
        handler.data_received(chunk(event("a")))
        assert await reading == event("a")

    run(scenario, **options)


def test_a_body_that_is_closed_takes_nothing_more():
    async def scenario(handler, _, body):
        reading = await waiting(body)
        body.close()
        handler.data_received(chunk(event("a")) + END)
        assert handler.body is None
        reading.cancel()

    run(scenario)
