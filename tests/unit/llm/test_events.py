"""Events out of bytes in any pieces."""

from __future__ import annotations

import pytest

from pfserve.llm.events import EventReader

STREAMS = [
    (b"data: a\n\ndata: b\n\n", [b"a", b"b"]),
    (b"data: a\r\n\r\ndata:b\r\n\r\n", [b"a", b"b"]),
    (b"data: a\r\rdata: b\r\r\n", [b"a", b"b"]),
    (b": comment\n\nevent: x\nid: 1\ndata: a\n\n", [b"a"]),
    (b"data: a\ndata: b\n\n", [b"a\nb"]),
    (b"data: a\n\ndata: cut", [b"a"]),
    (b"data: a\n\ndata: cut\n", [b"a"]),
    (b"data: a\n\ndata: [DONE]\n\ndata: after\n\n", [b"a"]),
    (b"data:  two blanks\n\n", [b" two blanks"]),
    (b"data: \xc3\xa9\xe2\x80\xa8x\x0b\x0cy\n\n", [b"\xc3\xa9\xe2\x80\xa8x\x0b\x0cy"]),
    (b"\xef\xbb\xbfdata: a\n\n\n\n", []),
    (b"", []),
]


@pytest.mark.parametrize(("stream", "events"), STREAMS)
@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
def test_events_do_not_depend_on_how_the_bytes_arrive(stream, events, size):
    reader, seen = EventReader(), []
    for start in range(0, len(stream), size):
        seen += reader.feed(stream[start : start + size])
        if reader.done:
            break
    assert seen == events
    assert reader.done == (b"[DONE]" in stream)
