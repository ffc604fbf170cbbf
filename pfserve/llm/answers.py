"""What comes back: from the body of an answer to a node's value (contract 3.8). Pure."""

from __future__ import annotations

import base64
import json
from array import array
from collections.abc import Mapping

import orjson

Shape = Mapping[str, object]

# The fields that promptflow's results always have, in its order; a dict says what is below, also below each item of a
# list. A field that the model did not send is null.
_FUNCTION: Shape = {"arguments": None, "name": None}
_TOOL_CALL: Shape = {"id": None, "function": _FUNCTION, "type": None}
_CUSTOM_CALL: Shape = {"id": None, "custom": {"input": None, "name": None}, "type": None}
_CITATION: Shape = {"end_index": None, "start_index": None, "title": None, "url": None}
_MESSAGE: Shape = {
    "content": None,
    "refusal": None,
    "role": None,
    "annotations": {"type": None, "url_citation": _CITATION},
    "audio": {"id": None, "data": None, "expires_at": None, "transcript": None},
    "function_call": _FUNCTION,
    "tool_calls": _TOOL_CALL,
}


def decode(body: bytes) -> object:
    """The JSON of an answer.

    Raises:
        ValueError: it is none.
    """
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        return json.loads(body)  # knows NaN, and says what is wrong in the words that promptflow's users know


def chat_value(answer: object, whole: bool) -> object:
    """The text of the first choice, or its whole message as a dict.

    Raises:
        LookupError, TypeError: the answer has no choices.
    """
    message = _first_choice(answer).get("message")
    if whole:
        return _filled(message or {}, _MESSAGE)
    return "" if message is None else message.get("content")


def completion_value(answer: object) -> object:
    """The text of the first choice. Raises as :func:`chat_value` does."""
    return _first_choice(answer).get("text")


def embedding_value(answer: object) -> list[float]:
    """The vector of the first text: a list of numbers, or base64 of floats. Raises as :func:`chat_value` does."""
    vector = answer["data"][0]["embedding"]  # type: ignore[index]
    if isinstance(vector, str):
        vector = array("f", base64.b64decode(vector))
    return [float(number) for number in vector]


def chat_piece(chunk: object) -> object | None:
    """What one event of a chat's stream adds: a text, maybe an empty one; None if it has no choices."""
    choices = chunk.get("choices") if isinstance(chunk, dict) else None
    return ((choices[0].get("delta") or {}).get("content") or "") if choices else None


def completion_piece(chunk: object) -> object | None:
    """What one event of a completion's stream adds, as :func:`chat_piece`."""
    choices = chunk.get("choices") if isinstance(chunk, dict) else None
    return (choices[0].get("text") or "") if choices else None


def _first_choice(answer: object) -> dict[str, dict[str, object] | None]:
    if not isinstance(answer, dict):
        raise TypeError(f"the answer is a {type(answer).__name__} instead of an object")
    choice: dict[str, dict[str, object] | None] = answer.get("choices")[0]  # type: ignore[index]
    return choice


def _filled(value: object, shape: object) -> object:
    if isinstance(value, list):
        return [_filled(item, shape) for item in value]
    if not isinstance(value, dict) or not isinstance(shape, dict):
        return value
    if shape is _TOOL_CALL and "custom" in value:
        shape = _CUSTOM_CALL
    known = {name: _filled(value.get(name), below) for name, below in shape.items()}
    return known | {name: item for name, item in value.items() if name not in known}
