"""What is told of an answered call: usage as the service says it, else counted on a thread, else estimated."""

from __future__ import annotations

import asyncio
import contextvars
import logging

import pytest

from pfserve.llm.metering import Meter
from pfserve.values.ambient import MODEL_CALLS
from small_encoding import registered

MESSAGES = [{"role": "ab", "content": "abc"}]  # 8 tokens of the small encoding
CHAT = {"model": "gpt-4", "messages": MESSAGES}


class Clock:
    now_s = 100.0

    def __call__(self):
        return self.now_s


def told(api, body, *events, answer=None, count=1):
    """The calls told of one call that brought this, ``count`` of them."""
    calls, clock = [], Clock()

    async def run():
        MODEL_CALLS.set(calls.append)
        meter = Meter(clock)
        tally = meter.tally(api, body)
        if answer is None:
            read = tally.reading(lambda event: event.get("text"))
            assert [read(event) for event in events] == [event.get("text") for event in events]
        clock.now_s += 2.5
        tally.close(answer)
        while len(calls) < count:
            await asyncio.sleep(0)
        meter.close()

    contextvars.copy_context().run(asyncio.run, asyncio.wait_for(run(), 10))
    return calls


def test_the_usage_of_an_answer():
    [call] = told("chat", CHAT, answer={"model": "gpt-4-0613", "usage": {"prompt_tokens": 7, "completion_tokens": 5}})
    assert (call.api, call.model, call.prompt_tokens, call.completion_tokens) == ("chat", "gpt-4-0613", 7, 5)
    assert (call.estimated, call.streamed, call.duration_s) == (False, False, 2.5)


def test_embeddings_have_no_completion():
    [call] = told("embeddings", {"model": "e", "input": "x"}, answer={"usage": {"prompt_tokens": 7}})
    assert (call.prompt_tokens, call.completion_tokens, call.model) == (7, 0, "e")


def test_the_usage_that_ends_a_stream():
    last = {"choices": [], "usage": {"prompt_tokens": 7, "completion_tokens": 5}}
    [call] = told("chat", CHAT, {"model": "m", "text": "abc", "usage": None}, last)
    assert (call.model, call.prompt_tokens, call.completion_tokens, call.streamed) == ("m", 7, 5, True)


def test_a_stream_without_usage_is_counted():
    with registered("cl100k_base", in_memory=["cl100k_base"]):
        [call] = told("chat", CHAT, {"text": "ab"}, {"text": ""}, {"text": None}, {"text": "c"}, {"text": "ab"})
    assert (call.prompt_tokens, call.completion_tokens, call.estimated) == (8, 2, False)  # "abcab": abc, ab


def test_an_answer_without_usage_is_counted():
    answer = {"choices": [{"message": {"content": "abc"}}, {"text": "ab"}, {"message": None}, None]}
    with registered("cl100k_base", in_memory=["cl100k_base"]):
        [call] = told("chat", CHAT, answer=answer)
    assert (call.prompt_tokens, call.completion_tokens, call.streamed) == (8, 2, False)  # "abcab"


@pytest.mark.parametrize(("prompt", "tokens"), [("abc", 1), (["abc", "ab"], 2), (None, 4)])
def test_a_completion(prompt, tokens):
    with registered("p50k_base", in_memory=["p50k_base"]):
        [call] = told("completion", {"model": "mine", "prompt": prompt}, {"text": "ab"})
    assert (call.prompt_tokens, call.completion_tokens) == (tokens, 1)


def test_without_the_tokeniser_the_counts_are_estimates_and_one_warning_says_so(caplog):
    calls = []

    async def run():
        MODEL_CALLS.set(calls.append)
        meter = Meter()
        for _ in range(3):
            tally = meter.tally("chat", CHAT)
            tally.reading(lambda event: event)("12345")
            tally.close()
        while len(calls) < 3:
            await asyncio.sleep(0)
        meter.close()

    with registered("cl100k_base"), caplog.at_level(logging.WARNING, "pfserve"):
        contextvars.copy_context().run(asyncio.run, asyncio.wait_for(run(), 10))
    assert [(call.completion_tokens, call.estimated) for call in calls] == [(2, True)] * 3
    [record] = caplog.records
    assert "the tokeniser cl100k_base of model 'gpt-4' is not in tiktoken's cache" in record.getMessage()


def test_nobody_wants_to_know():
    async def run():
        meter = Meter()
        meter.tally("chat", CHAT).close({})
        assert meter._pool is None

    asyncio.run(run())


def test_too_many_that_wait_are_dropped_and_said_so(caplog, monkeypatch):
    monkeypatch.setattr("pfserve.llm.metering._MOST_WAITING", 0)
    with caplog.at_level(logging.WARNING, "pfserve"):
        assert told("chat", CHAT, {"text": "ab"}, count=0) == []
    assert "some model calls are not counted" in caplog.text


def test_why_a_count_failed_is_told_without_what_was_counted(caplog, monkeypatch):
    def fail(text, model, api):
        raise UnicodeEncodeError("utf-8", text, 0, 1, "surrogates not allowed")

    monkeypatch.setattr("pfserve.llm.metering.count_text", fail)

    async def run():
        MODEL_CALLS.set(lambda call: None)
        meter = Meter()
        tally = meter.tally("chat", CHAT)
        tally.reading(lambda event: event)("s3cret")
        tally.close()
        while not caplog.records:
            await asyncio.sleep(0)
        meter.close()

    with registered("cl100k_base", in_memory=["cl100k_base"]), caplog.at_level(logging.WARNING, "pfserve"):
        contextvars.copy_context().run(asyncio.run, asyncio.wait_for(run(), 10))
    assert caplog.messages == ["the tokens of a model call could not be counted: UnicodeEncodeError"]
