from __future__ import annotations

import pytest

from bench.generator.events import EVENT_LIMIT_BYTES, Events

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


@pytest.mark.parametrize("end", [b"\n\n", b"\r\n\r\n"])
@pytest.mark.parametrize("cut", range(5))
def test_of_an_event_without_an_end_only_the_beginning_is_kept(end, cut):
    """And when its end does come, in whatever pieces, the next event is one of its own."""
    events, piece = Events(), b"x" * 100_000
    events.feed(b"data: " + piece, 0)
    for _ in range(10 * EVENT_LIMIT_BYTES // len(piece)):
        events.feed(piece, 1)
    assert sum(map(len, events._held)) <= EVENT_LIMIT_BYTES + len(piece)
    assert events.times_ns == []
    stream = end + b"data: next" + end
    events.feed(stream[:cut], 2)
    events.feed(stream[cut:], 3)
    assert len(events.times_ns) == 2
