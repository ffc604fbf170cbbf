from __future__ import annotations

import pytest

from bench.generator.events import Events

STREAM = b"data: one\n\n: alive\n\ndata: two\ndata: more\n\nevent: x\nid: 3\n\ndata: three\n\ndata: [DONE]\n\n"


@pytest.mark.parametrize("line_end", [b"\n", b"\r\n", b"\r"])
@pytest.mark.parametrize("piece", [1, 3, 1000])
def test_events_with_data_count(line_end, piece):
    events, stream = Events(), STREAM.replace(b"\n", line_end)
    for start in range(0, len(stream), piece):
        events.feed(stream[start : start + piece], start)
    assert len(events.times_ns) == 3
    assert events.tokens == 3


def test_each_has_the_time_at_which_it_was_whole():
    events = Events()
    events.feed(b"data: one\n", 10)
    events.feed(b"\ndata: two\n\ndata: three\n\ndata: fo", 20)
    events.feed(b"ur\n\n", 30)
    assert events.times_ns == [20, 20, 20, 30]


def test_tokens_are_those_that_the_stream_tells():
    events = Events()
    events.feed(b'data: {"c": "two tokens"}\n\ndata: {"usage": {"completion_tokens": 7}}\n\n', 0)
    assert (len(events.times_ns), events.tokens) == (2, 7)
