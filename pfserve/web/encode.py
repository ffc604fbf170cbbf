"""Outputs and errors → JSON bodies (contract sections 1.5 and 1.6)."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping

import orjson

from pfserve.errors import UserError

_STRICT = orjson.OPT_PASSTHROUGH_DATACLASS | orjson.OPT_PASSTHROUGH_DATETIME
_LENIENT = _STRICT | orjson.OPT_NON_STR_KEYS


def encode_outputs(outputs: Mapping[str, object]) -> bytes:
    """Outputs as compact JSON in their own order; NaN and infinities become null.

    Raises:
        UserError: an output cannot be written as JSON; says which, in promptflow's words.
    """
    try:
        return orjson.dumps(outputs, option=_STRICT)
    except TypeError:
        return _encode_odd(outputs)


def encode_error(code: str, message: str) -> bytes:
    """The body of every answer that is not a success."""
    body = {"error": {"code": code, "message": message}}
    try:
        return orjson.dumps(body)
    except TypeError:  # lone surrogates
        return _dump(body)


def _encode_odd(outputs: Mapping[str, object]) -> bytes:
    """What the fast encoder refuses: keys that are no text, integers beyond 64 bits, depth - or no JSON at all."""
    try:
        return orjson.dumps(outputs, option=_LENIENT)
    except TypeError:
        pass
    for name, value in outputs.items():
        try:
            json.dumps(value)
        except (TypeError, ValueError, RecursionError) as problem:
            raise UserError(_unserializable(name, problem)) from None
    return _dump(outputs)


def _unserializable(name: str, problem: Exception) -> str:
    return (
        f"The output '{name}' for flow is incorrect. The output value is not JSON serializable. "
        f"JSON dump failed: ({type(problem).__name__}) {problem}. "
        "Please verify your flow output and make sure the value serializable."
    )


def _dump(value: object) -> bytes:
    try:
        text = json.dumps(value, separators=(",", ":"), allow_nan=False)
    except ValueError:
        text = json.dumps(_without_nan(value), separators=(",", ":"))
    return text.encode()


def _without_nan(value: object) -> object:
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, dict):
        return {key: _without_nan(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_without_nan(item) for item in value]
    return value
