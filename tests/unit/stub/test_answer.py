from __future__ import annotations

import json
from typing import Any

import pytest

from pfserve.stub.answer import Answer, answer_chat, answer_completion
from pfserve.stub.asked import Chat, Completion, decode
from pfserve.stub.dice import Dice
from pfserve.stub.schema import instance

WEATHER = {"name": "get_weather", "parameters": {"type": "object", "properties": {"city": {"type": "string"}}}}
TIME = {"name": "get_time", "parameters": {"type": "object", "properties": {}}}
TOOLS = [{"type": "function", "function": WEATHER}, {"type": "function", "function": TIME}]


def chat(text: str = "hi", *, seed: int = 0, length: int = 0, before: tuple[Any, ...] = (), **more: Any) -> Answer:
    body = {"messages": [*before, {"role": "user", "content": text}], **more}
    return answer_chat(decode(Chat, json.dumps(body).encode()), "m", seed, length)


def complete(**body: Any) -> Answer:
    return answer_completion(decode(Completion, json.dumps(body).encode()), "m", 0, 0)


def only(answer: Answer) -> str:
    (choice,) = answer.choices
    return choice.text


def test_the_same_conversation_gets_the_same_answer_whatever_else_is_asked():
    assert chat("hi") == chat("hi")
    assert only(chat("hi", temperature=0.3, user="me")) == only(chat("hi"))


def test_another_seed_or_conversation_gets_another_answer():
    system = {"role": "system", "content": "be brief"}
    answers = [chat("hi"), chat("ho"), chat("hi", seed=1), chat("hi", before=(system,))]
    assert len({only(answer) for answer in answers}) == len({answer.id for answer in answers}) == 4


def test_choices_differ():
    assert len({choice.text for choice in chat(n=5).choices}) == 5


def test_usage_adds_up():
    answer = chat("12345678", n=2, max_tokens=7)
    assert answer.usage() == {"prompt_tokens": 4 + 2, "completion_tokens": 14, "total_tokens": 20}
    assert [choice.finish_reason for choice in answer.choices] == ["length", "length"]


def test_the_length_may_be_fixed():
    assert chat(length=123).completion_tokens == 123


def test_the_text_of_image_messages_is_heard():
    parts = [{"type": "text", "text": "look here"}, {"type": "image_url", "image_url": {"url": "data:,"}}]
    body = {"messages": [{"role": "user", "content": parts}]}
    assert " heard: look here " in only(answer_chat(decode(Chat, json.dumps(body).encode()), "m", 0, 24))


# -- calls -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "options", "called"),
    [
        ("hi", {"tools": TOOLS}, None),
        ("please get weather in Oslo", {"tools": TOOLS}, "get_weather"),
        ("use get_time", {"tools": TOOLS, "tool_choice": "auto"}, "get_time"),
        ("use get_time", {"tools": TOOLS, "tool_choice": "none"}, None),
        ("hi", {"tools": TOOLS, "tool_choice": "required"}, "get_weather"),
        ("hi", {"tools": TOOLS, "tool_choice": {"type": "function", "function": {"name": "get_time"}}}, "get_time"),
        ("use get_time", {"functions": [WEATHER, TIME]}, "get_time"),
        ("hi", {"functions": [WEATHER, TIME], "function_call": {"name": "get_time"}}, "get_time"),
        ("use get_time", {"functions": [WEATHER, TIME], "function_call": "none"}, None),
    ],
)
def test_a_function_is_called_when_asked_for(text: str, options: dict[str, Any], called: str | None):
    (choice,) = chat(text, **options).choices
    assert (choice.call.name if choice.call else None) == called
    expected = "stop" if called is None else "tool_calls" if "tools" in options else "function_call"
    assert choice.finish_reason == expected


def test_arguments_follow_the_schema():
    (choice,) = chat("get weather in Oslo?", tools=TOOLS).choices
    assert json.loads(choice.text) == {"city": "Oslo"}


def test_the_result_of_a_call_is_answered_with_a_text():
    call = {"id": "c", "type": "function", "function": {"name": "get_time", "arguments": "{}"}}
    before = [{"role": "assistant", "tool_calls": [call]}, {"role": "tool", "tool_call_id": "c", "content": "get time"}]
    body = {"messages": before, "tools": TOOLS}
    (choice,) = answer_chat(decode(Chat, json.dumps(body).encode()), "m", 0, 0).choices
    assert choice.call is None


def test_values_for_schemas():
    schema = {
        "type": "object",
        "required": ["kind", "near", "tags", "size", "inner", "maybe"],
        "properties": {
            "kind": {"enum": ["a"]},
            "near": {"type": "boolean"},
            "tags": {"type": "array", "items": {"type": "string"}},
            "size": {"type": "integer", "minimum": 5, "maximum": 5},
            "inner": {"$ref": "#/$defs/inner"},
            "maybe": {"anyOf": [{"type": "null"}, {"type": "string"}]},
            "left_out": {"type": "string"},
        },
        "$defs": {"inner": {"properties": {"x": {"type": ["string", "null"]}}}},
    }
    made = instance(schema, Dice(0, b""), "word")
    assert isinstance(made, dict)
    assert isinstance(made.pop("near"), bool)
    assert made == {"kind": "a", "tags": ["word"], "size": 5, "inner": {"x": "word"}, "maybe": None}


def test_a_schema_without_end_has_an_end():
    schema = {"properties": {"next": {"$ref": "#"}}}
    assert instance(schema, Dice(0, b""), "word")


# -- formats ---------------------------------------------------------------------------------------


def test_json_answers_follow_the_examples_in_the_prompt():
    text = 'Answer in JSON, as {"kind": "a"} or {"kind": "b"}, not {broken'
    kinds = {json.loads(only(chat(f"{text} {n}", response_format={"type": "json_object"})))["kind"] for n in range(20)}
    assert kinds == {"a", "b"}


def test_json_without_an_example_is_an_object():
    assert list(json.loads(only(chat("json please", response_format={"type": "json_object"})))) == ["answer"]


def test_json_by_schema():
    schema = {"name": "s", "schema": {"properties": {"n": {"type": "integer"}}}}
    made = json.loads(only(chat(response_format={"type": "json_schema", "json_schema": schema})))
    assert isinstance(made["n"], int)


# -- completion ------------------------------------------------------------------------------------


def test_every_prompt_gets_its_choices():
    answer = complete(prompt=["a", "b"], n=2, max_tokens=3)
    assert len({choice.text for choice in answer.choices}) == 4
    assert answer.completion_tokens == 12


def test_echo_repeats_the_prompt():
    assert only(complete(prompt="once upon", echo=True, max_tokens=1)) == "once upon Stub"
