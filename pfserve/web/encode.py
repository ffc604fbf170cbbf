"""Outputs and errors → JSON bodies (contract sections 1.5 and 1.6)."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from functools import partial
from typing import TypeAlias

import orjson

from pfserve.errors import UserError
from pfserve.values import MESSAGE_FORMATS, Bare, PFBytes, image_as_dict
from pfserve.values.assistant import AssistantDefinition

Encode: TypeAlias = Callable[[Mapping[str, object], str], bytes]

_STRICT = orjson.OPT_PASSTHROUGH_DATACLASS | orjson.OPT_PASSTHROUGH_DATETIME


def _write_image(message_format: str, value: object) -> dict[str, object]:
    """Called by the encoders for what is no JSON."""
    if isinstance(value, PFBytes):
        return image_as_dict(value, message_format)
    if isinstance(value, AssistantDefinition):
        return value.serialize()
    raise TypeError(f"Object of type {type(value).__name__} is not JSON serializable")


_WRITE_IMAGE = {message_format: partial(_write_image, message_format) for message_format in MESSAGE_FORMATS}


def encode_outputs(outputs: Mapping[str, object], message_format: str = "basic") -> bytes:
    """Outputs as compact JSON in their own order; NaN and infinities become null, images as the format has them.

    Raises:
        UserError: an output cannot be written as JSON; says which, in promptflow's words.
    """
    try:
        return orjson.dumps(outputs, _WRITE_IMAGE[message_format], _STRICT)
    except TypeError:
        return _encode_odd(outputs, message_format)


def encode_returned(outputs: Mapping[str, object], message_format: str = "basic") -> bytes:
    """As :func:`encode_outputs`; but of a bare value that value alone."""
    if type(outputs) is not Bare:
        return encode_outputs(outputs, message_format)
    [value] = outputs.values()
    try:
        return orjson.dumps(value, _WRITE_IMAGE[message_format], _STRICT)
    except TypeError:
        _check(outputs, message_format)
        return _dump(value, message_format)


def with_literal_nan(encode: Encode) -> Encode:
    """``encode``, but NaN and infinities are written as promptflow's Flask engine does, although no JSON has them."""

    def encode_literally(outputs: Mapping[str, object], message_format: str = "basic") -> bytes:
        body = encode(outputs, message_format)
        if b"null" not in body:
            return body
        value = next(iter(outputs.values())) if type(outputs) is Bare else outputs
        try:
            return json.dumps(value, default=_WRITE_IMAGE[message_format], separators=(",", ":")).encode()
        except TypeError:  # beside what only the fast encoder can write, such as a UUID
            return body

    return encode_literally


def encode_error(code: str, message: str) -> bytes:
    """The body of every answer that is not a success."""
    body = {"error": {"code": code, "message": message}}
    try:
        return orjson.dumps(body)
    except TypeError:  # lone surrogates
        return _dump(body)


def _encode_odd(outputs: Mapping[str, object], message_format: str) -> bytes:
    """What the fast encoder refuses: keys that are no text, integers beyond 64 bits, depth - or no JSON at all."""
    _check(outputs, message_format)
    return _dump(outputs, message_format)


def _check(outputs: Mapping[str, object], message_format: str) -> None:
    write_image = _WRITE_IMAGE[message_format]
    for name, value in outputs.items():
        try:
            json.dumps(value, default=write_image)
        except (TypeError, ValueError, RecursionError) as problem:
            raise UserError(unserializable(name, problem)) from None


def unserializable(name: str, problem: Exception) -> str:
    """Promptflow's sentence about an output that is no JSON."""
    return (
        f"The output '{name}' for flow is incorrect. The output value is not JSON serializable. "
        f"JSON dump failed: ({type(problem).__name__}) {problem}. "
        "Please verify your flow output and make sure the value serializable."
    )


def _dump(value: object, message_format: str = "basic") -> bytes:
    write_image = _WRITE_IMAGE[message_format]
    try:
        text = json.dumps(value, default=write_image, separators=(",", ":"), allow_nan=False)
    except ValueError:
        text = json.dumps(without_nan(value), default=write_image, separators=(",", ":"))
    return text.encode()


def without_nan(value: object) -> object:
    """The value with null for every NaN and infinity in it."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, dict):
        return {key: without_nan(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [without_nan(item) for item in value]
    return value
