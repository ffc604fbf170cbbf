"""Malformed requests, and what they are told."""

from __future__ import annotations

import json
from typing import Any

import pytest

from pfserve.stub.asked import Chat, Completion, Embedding, decode
from pfserve.stub.refusal import Refusal

MESSAGES = [{"role": "user", "content": "hi"}]
TOOLS = [{"type": "function", "function": {"name": "f"}}]


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (b"", "not JSON"),
        (b"{", "not JSON"),
        (b'{"messages": "\xff"}', "Invalid"),
        (b"[]", "Expected `object`"),
        ({}, "missing required field `messages`"),
        ({"messages": []}, "length >= 1 - at `$.messages`"),
        ({"messages": [{"role": "robot", "content": ""}]}, "'robot' - at `$.messages[0].role`"),
        ({"messages": [{"role": "user", "content": 1}]}, "at `$.messages[0].content`"),
        ({"temperature": 3}, "<= 2.0 - at `$.temperature`"),
        ({"n": 0}, ">= 1 - at `$.n`"),
        ({"max_tokens": "7"}, "at `$.max_tokens`"),
        ({"stop": ["a", "b", "c", "d", "e"]}, "at `$.stop`"),
        ({"tools": []}, "at `$.tools`"),
        ({"tools": [{"type": "function"}]}, "missing required field `function`"),
        ({"tool_choice": "auto"}, "only allowed when 'tools'"),
        ({"tools": TOOLS, "tool_choice": {"type": "function", "function": {"name": "g"}}}, "'g' is not among"),
        ({"function_call": "auto"}, "only allowed when 'functions'"),
        ({"stream_options": {"include_usage": True}}, "only allowed when 'stream'"),
        ({"response_format": {"type": "json_object"}}, "must contain the word 'json'"),
        ({"response_format": {"type": "json_schema"}}, "needs 'json_schema'"),
    ],
)
def test_a_malformed_chat_is_400(body: bytes | dict[str, Any], told: str):
    if isinstance(body, dict):
        body = json.dumps(body if "messages" in body or not body else {"messages": MESSAGES, **body}).encode()
    with pytest.raises(Refusal) as refused:
        decode(Chat, body)
    error = json.loads(refused.value.body())["error"]
    assert refused.value.status == 400
    assert told in error["message"]
    assert (error["type"], error["param"], error["code"]) == ("invalid_request_error", None, None)


def test_nulls_are_as_if_not_there():
    names = ["n", "stop", "max_tokens", "tools", "tool_choice", "functions", "function_call", "response_format", "seed"]
    assert decode(Chat, json.dumps({"messages": MESSAGES, **dict.fromkeys(names)}).encode()).length() is None


def test_unknown_fields_are_let_through():
    decode(Chat, json.dumps({"messages": MESSAGES, "something_new": 1}).encode())


def test_a_malformed_completion_or_embedding_is_400():
    for kind, body in ((Completion, b"{}"), (Completion, b'{"prompt": []}'), (Embedding, b'{"input": []}')):
        with pytest.raises(Refusal):
            decode(kind, body)


@pytest.mark.parametrize(
    ("given", "texts"),
    [("a", ["a"]), (["a", "b"], ["a", "b"]), ([1, 2], ["1 2"]), ([[1, 2], [3]], ["1 2", "3"])],
)
def test_what_is_embedded(given: Any, texts: list[str]):
    assert decode(Embedding, json.dumps({"input": given}).encode()).texts() == texts
