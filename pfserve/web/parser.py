"""The parser of requests, as we use it: one message at a time, with bounds of our own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiohttp.http_parser import HttpRequestParser

from pfserve.errors import BadRequest

if TYPE_CHECKING:
    import asyncio

    from aiohttp.base_protocol import BaseProtocol
    from aiohttp.http_parser import RawRequestMessage

_READ_BUFFER_BYTES = 256 * 1024
_MAX_HEADERS = 1 << 16  # no bound of its own: the size of the head is bounded


def new_parser(protocol: BaseProtocol, loop: asyncio.AbstractEventLoop, head_bytes: int) -> HttpRequestParser:
    """A parser that stops after every message."""
    return HttpRequestParser(
        protocol,
        loop,
        _READ_BUFFER_BYTES,
        max_line_size=head_bytes,
        max_field_size=head_bytes,
        max_headers=_MAX_HEADERS,
        auto_decompress=False,
        max_msg_queue_size=1,
    )


def garbage(problem: Exception) -> BadRequest:
    """The answer to what the parser could not take."""
    reason = str(getattr(problem, "message", problem)).partition("\n")[0].strip(" :")[:200]
    return BadRequest(f"The connection's data is not a valid HTTP/1.1 request: {reason or 'unknown'}.")


def head_size(message: RawRequestMessage) -> int:
    """How many bytes the head had, empty line included."""
    line = len(message.method) + len(message.path) + len(" HTTP/1.1\r\n") + 1
    return line + sum(len(name) + len(value) + len(": \r\n") for name, value in message.raw_headers) + len("\r\n")
