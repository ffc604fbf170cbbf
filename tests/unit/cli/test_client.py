"""What is printed of an answer."""

from __future__ import annotations

import pytest

from pfserve.cli.client import event_data, pretty

STREAMS = [
    ([], []),
    ([b'data: {"a": 1}\n\n'], [b'{"a": 1}\n']),
    ([b"da", b"ta: a\r", b"\n\r\ndata:b\n", b"\n"], [b"a\n", b"b\n"]),
    ([b": comment\nevent: x\nid: 1\ndata: a\n\n"], [b"a\n"]),
    ([b"data: a\n\ndata: cut"], [b"a\n"]),
]


@pytest.mark.parametrize(("pieces", "data"), STREAMS)
def test_event_data(pieces: list[bytes], data: list[bytes]):
    assert list(event_data(pieces)) == data


BODIES = [
    (b'{"a":"\xc3\xbc"}', "application/json", '{\n  "a": "ü"\n}\n'.encode()),
    (b"NaN", "application/json", b"NaN\n"),
    (b'"\\ud800"', "application/json", b'"\\ud800"\n'),
    (b"{cut", "application/json", b"{cut\n"),
    (b"\xff", "application/json", b"\xff\n"),
    (b'{"a":1}', "text/plain", b'{"a":1}\n'),
    (b"", "text/plain", b""),
    (b"x\n", "text/plain", b"x\n"),
    (b"[" * 100_000, "application/json", b"[" * 100_000 + b"\n"),
]


@pytest.mark.parametrize(("body", "media_type", "printed"), BODIES, ids=range(len(BODIES)))
def test_pretty(body: bytes, media_type: str, printed: bytes):
    assert pretty(body, media_type) == printed
