"""Where a message ends among the bytes that came: what lies behind it belongs to the next request.

The parser knows, and keeps that to itself. A connection that moves to another process needs the bytes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from aiohttp.http_parser import RawRequestMessage

_HEAD_END = b"\r\n\r\n"
_LAST_CHUNK = b"0\r\n\r\n"


def behind(raw: bytes, message: RawRequestMessage, body_bytes: int, body_complete: bool) -> bytes | None:
    """The bytes of ``raw`` behind a message that begins it; None if that cannot be told.

    Args:
        raw: what came since the end of the message before.
        message: the head that was parsed from it.
        body_bytes: how many bytes of its body came with it.
        body_complete: whether that was all of its body.
    """
    if not body_complete:
        return b""
    if message.chunked:
        return behind_chunks(raw)
    raw = raw.lstrip(b"\r\n")  # a parser must take empty lines before a message (RFC 9112, 2.2)
    head_end = raw.find(_HEAD_END)
    return raw[head_end + len(_HEAD_END) + body_bytes :] if head_end >= 0 else None


def behind_body(data: bytes, message: RawRequestMessage, missing: int) -> bytes | None:
    """The same for ``data`` that completed a body of which ``missing`` bytes were missing (not if it is chunked)."""
    if message.chunked:
        return behind_chunks(data)
    return data[missing:] if 0 <= missing <= len(data) else None


def behind_chunks(data: bytes) -> bytes | None:
    """Nothing, if the last chunk, or the end of its line, ends the data and is all; else it takes a parser to know."""
    is_all = data.endswith(_LAST_CHUNK) and data.count(_LAST_CHUNK) == 1
    return b"" if is_all or not data.strip(b"\r\n") else None
