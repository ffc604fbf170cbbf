"""What comes back, and what a node makes of it."""

from __future__ import annotations

import json

import pytest

from pfserve.llm.answers import chat_piece, chat_value, completion_piece, completion_value, decode, embedding_value

BARE = {
    "content": None,
    "refusal": None,
    "role": None,
    "annotations": None,
    "audio": None,
    "function_call": None,
    "tool_calls": None,
}


def choices(**choice):
    return {"choices": [choice]}


@pytest.mark.parametrize(
    ("message", "text"),
    [({"content": "hey"}, "hey"), ({"content": None}, None), ({}, None), (None, ""), ({"content": 5}, 5)],
)
def test_the_text_of_a_chat(message, text):
    assert chat_value(choices(message=message), whole=False) == text


@pytest.mark.parametrize(
    ("message", "value"),
    [
        ({}, BARE),
        (
            {"role": "assistant", "content": "c", "zzz": {"a": 1}},
            BARE | {"role": "assistant", "content": "c", "zzz": {"a": 1}},
        ),
        (
            {"tool_calls": [{"id": "x", "extra": 1}, {"type": "custom", "custom": {"input": "b"}}]},
            BARE
            | {
                "tool_calls": [
                    {"id": "x", "function": None, "type": None, "extra": 1},
                    {"id": None, "custom": {"input": "b", "name": None}, "type": "custom"},
                ]
            },
        ),
        (
            {"function_call": {"name": "f"}, "annotations": [{"type": "t", "url_citation": {"url": "u"}}]},
            BARE
            | {
                "function_call": {"arguments": None, "name": "f"},
                "annotations": [
                    {
                        "type": "t",
                        "url_citation": {"end_index": None, "start_index": None, "title": None, "url": "u"},
                    }
                ],
            },
        ),
    ],
)
def test_a_whole_message_has_every_field(message, value):
    assert chat_value(choices(message=message), whole=True) == value


def test_whole_messages_keep_promptflows_order():
    call = {"type": "function", "function": {"name": "f", "arguments": "{}"}, "id": "x"}
    value = chat_value(choices(message={"role": "assistant", "tool_calls": [call]}), whole=True)
    assert list(value) == list(BARE)
    assert (
        json.dumps(value["tool_calls"])
        == '[{"id": "x", "function": {"arguments": "{}", "name": "f"}, "type": "function"}]'
    )


@pytest.mark.parametrize("answer", [{}, {"choices": None}, {"choices": []}, [], 5])
def test_an_answer_without_choices_is_none(answer):
    with pytest.raises((TypeError, LookupError)):
        chat_value(answer, whole=False)


@pytest.mark.parametrize(("choice", "text"), [({"text": "t"}, "t"), ({"text": None}, None), ({}, None)])
def test_the_text_of_a_completion(choice, text):
    assert completion_value(choices(**choice)) == text


@pytest.mark.parametrize(
    ("chunk", "piece"),
    [
        (choices(delta={"content": "a"}), "a"),
        (choices(delta={"content": None}), ""),
        (choices(delta={"role": "assistant"}), ""),
        (choices(delta=None), ""),
        (choices(), ""),
        ({"choices": []}, None),
        ({}, None),
        ([1], None),
    ],
)
def test_the_pieces_of_a_stream(chunk, piece):
    assert chat_piece(chunk) == piece


def test_the_pieces_of_a_completions_stream():
    assert [completion_piece(chunk) for chunk in (choices(text="a"), choices(), {"choices": []})] == ["a", "", None]


def test_an_embedding_is_numbers_or_base64():
    assert embedding_value({"data": [{"embedding": [0.5, 1]}]}) == [0.5, 1.0]
    assert embedding_value({"data": [{"embedding": "AAAAPwAAgD8="}]}) == [0.5, 1.0]


def test_what_is_no_json_is_told_in_the_known_words():
    with pytest.raises(ValueError, match=r"Expecting value: line 1 column 1 \(char 0\)"):
        decode(b"not json")
