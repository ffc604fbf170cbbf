"""How answers look on the wire: JSON bodies, and the events of a stream."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import orjson

from pfserve.stub.answer import Answer, Call, Choice

CREATED = 1_700_000_000  # no clock: the same request gets the same bytes
_FINGERPRINT = "fp_stub"
_DONE = b"data: [DONE]\n\n"


def chat_body(answer: Answer) -> bytes:
    """A whole answer to a conversation."""
    choices = [
        {"index": index, "message": _message(choice), "logprobs": None, "finish_reason": choice.finish_reason}
        for index, choice in enumerate(answer.choices)
    ]
    return _whole(answer, "chat.completion", choices)


def completion_body(answer: Answer) -> bytes:
    """A whole answer to a prompt."""
    choices = [_completion_choice(index, one.text, one.finish_reason) for index, one in enumerate(answer.choices)]
    return _whole(answer, "text_completion", choices)


def embedding_body(vectors: list[Any], model: str, tokens: int) -> bytes:
    """Vectors, as lists of numbers or packed texts."""
    data = [{"object": "embedding", "index": index, "embedding": vector} for index, vector in enumerate(vectors)]
    usage = {"prompt_tokens": tokens, "total_tokens": tokens}
    return orjson.dumps({"object": "list", "data": data, "model": model, "usage": usage})


def chat_steps(answer: Answer, with_usage: bool) -> Iterator[bytes]:
    """What is sent at each beat of a stream: the first token of every choice, the second, …, and the end.

    The role goes out together with the first token, as with the real ones.
    """
    head = _head(answer, "chat.completion.chunk")
    choices = list(enumerate(answer.choices))
    step = b"".join(_chunk(head, index, _first_delta(choice)) for index, choice in choices)
    for beat in range(max(len(choice.tokens) for choice in answer.choices)):
        for index, choice in choices:
            if beat < len(choice.tokens):
                step += _chunk(head, index, _delta(choice, choice.tokens[beat]))
        yield step
        step = b""
    step += b"".join(_chunk(head, index, {}, choice.finish_reason) for index, choice in choices)
    yield step + _end(answer, head, with_usage)


def completion_steps(answer: Answer, with_usage: bool) -> Iterator[bytes]:
    """The same for a prompt."""
    head = _head(answer, "text_completion")
    choices = list(enumerate(answer.choices))
    for beat in range(max(len(choice.tokens) for choice in answer.choices)):
        texts = [(index, choice.tokens[beat]) for index, choice in choices if beat < len(choice.tokens)]
        yield b"".join(_event({**head, "choices": [_completion_choice(index, text)]}) for index, text in texts)
    ends = [_completion_choice(index, "", choice.finish_reason) for index, choice in choices]
    step = b"".join(_event({**head, "choices": [end]}) for end in ends)
    yield step + _end(answer, head, with_usage)


# -- whole answers ---------------------------------------------------------------------------------


def _whole(answer: Answer, kind: str, choices: list[dict[str, Any]]) -> bytes:
    return orjson.dumps({**_head(answer, kind), "choices": choices, "usage": answer.usage()})


def _head(answer: Answer, kind: str) -> dict[str, Any]:
    return {
        "id": answer.id,
        "object": kind,
        "created": CREATED,
        "model": answer.model,
        "system_fingerprint": _FINGERPRINT,
    }


def _message(choice: Choice) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": None if choice.call else choice.text, "refusal": None}
    if choice.call is not None:
        message |= _called(choice.call, choice.text)
    return message


def _called(call: Call, arguments: str) -> dict[str, Any]:
    function = {"name": call.name, "arguments": arguments}
    if call.legacy:
        return {"function_call": function}
    return {"tool_calls": [{"id": call.id, "type": "function", "function": function}]}


def _completion_choice(index: int, text: str, finish_reason: str | None = None) -> dict[str, Any]:
    return {"text": text, "index": index, "logprobs": None, "finish_reason": finish_reason}


# -- events ----------------------------------------------------------------------------------------


def _first_delta(choice: Choice) -> dict[str, Any]:
    if choice.call is None:
        return {"role": "assistant", "content": "", "refusal": None}
    called = _called(choice.call, "")
    for number, call in enumerate(called.get("tool_calls", ())):
        call["index"] = number
    return {"role": "assistant", "content": None, **called}


def _delta(choice: Choice, token: str) -> dict[str, Any]:
    if choice.call is None:
        return {"content": token}
    if choice.call.legacy:
        return {"function_call": {"arguments": token}}
    return {"tool_calls": [{"index": 0, "function": {"arguments": token}}]}


def _chunk(head: dict[str, Any], index: int, delta: dict[str, Any], finish_reason: str | None = None) -> bytes:
    choice = {"index": index, "delta": delta, "logprobs": None, "finish_reason": finish_reason}
    return _event({**head, "choices": [choice]})


def _end(answer: Answer, head: dict[str, Any], with_usage: bool) -> bytes:
    usage = _event({**head, "choices": [], "usage": answer.usage()}) if with_usage else b""
    return usage + _DONE


def _event(thing: dict[str, Any]) -> bytes:
    return b"data: " + orjson.dumps(thing) + b"\n\n"
