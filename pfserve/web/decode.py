"""The body of ``POST /score`` → the values of the flow's inputs (contract section 1.4)."""

from __future__ import annotations

import json
import re
import reprlib
import sys
from itertools import accumulate
from typing import TypeGuard

import msgspec

from pfserve.errors import UserError

_decode_strict = msgspec.json.Decoder().decode

_WHOLE_REPR_BODY_BYTES = 8192  # bodies up to this size are shown whole in messages, as promptflow does
_REPR_CHARS = 2000

_TOO_DEEP = "The request data is nested too deeply to be read."

_STRING = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"?', re.DOTALL)
_NO_BRACKET = bytes(set(range(256)) - set(b"[]{}"))
_STEP = [0] * 256
for _open, _close in (b"[]", b"{}"):
    _STEP[_open], _STEP[_close] = 1, -1

MOST_LEVELS = 1000
"""How deep a body may be nested: as deep as Python's own limit of recursion lets. The decoders go by that limit, in C:
flow code that raises it (``sys.setrecursionlimit``) would let a body of brackets overflow the stack and end the worker.
"""

_abridged = reprlib.Repr()
_abridged.maxdict = _abridged.maxlist = 20
_abridged.maxstring = _abridged.maxother = 200

_MANY_INPUTS = (
    "Promptflow executor received non json data, but there's more than 1 input fields, "
    "please use json request data instead."
)


class NotJson(Exception):
    """The body is not JSON, as Python's decoder understands it."""


class Decoder:
    """Decodes the bodies for one flow.

    ``names`` are the flow's inputs in declared order, ``required`` those without a default.
    """

    def __init__(self, names: list[str], required: list[str]) -> None:
        self._names = names
        self._required = required

    def __call__(self, body: bytes) -> dict[str, object]:
        """The values given for the flow's inputs, with whatever else the body holds.

        Raises:
            UserError: the body is not what the flow needs.
        """
        if not self._names:
            return {}
        try:
            data = decode_json(body)
        except NotJson:
            return self._as_text(body)
        if not _is_object(data):
            return self._from_other(data, body)
        for name in self._required:
            if name not in data:
                raise self._missing([name for name in self._required if name not in data], data, body)
        return data

    def _as_text(self, body: bytes) -> dict[str, object]:
        if len(self._names) > 1:
            raise UserError(_MANY_INPUTS)
        try:
            return {self._names[0]: body.decode()}
        except UnicodeDecodeError as problem:
            raise UserError(
                f"The request data is neither JSON nor text in UTF-8 for the input '{self._names[0]}': {problem}."
            ) from None

    def _from_other(self, data: object, body: bytes) -> dict[str, object]:
        """JSON that is no object: null stands for no inputs at all, anything else is a mistake."""
        if data is None and not self._required:
            return {}
        if isinstance(data, list | str):
            missing = [name for name in self._required if name not in data]
            if missing:
                raise self._missing(missing, data, body)
        raise UserError(
            f"The request data must be a JSON object with the input fields {self._names}, "
            f"but it is {shown(data, body)}."
        )

    def _missing(self, missing: list[str], data: object, body: bytes) -> UserError:
        return UserError(f"Required input fields {missing} are missing in request data {shown(data, body)}")


def decode_json(body: bytes) -> object:
    """Decode what Python's ``json`` accepts: also NaN, other encodings, lone surrogates.

    Raises:
        NotJson: it is no JSON.
        UserError: it is nested too deeply.
    """
    if sys.getrecursionlimit() > MOST_LEVELS and levels(body) > MOST_LEVELS:  # the flow's code has raised the limit
        raise UserError(_TOO_DEEP)
    try:
        return _decode_strict(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        pass  # the slower, more lenient decoder has the last word
    try:
        return json.loads(body)
    except RecursionError:
        raise UserError(_TOO_DEEP) from None
    except ValueError:
        raise NotJson from None


def levels(body: bytes) -> int:
    """How deep the brackets of a JSON text are nested; some number up to ``MOST_LEVELS`` where that bounds it."""
    opening = body.count(b"[") + body.count(b"{")
    if opening <= MOST_LEVELS:
        return opening
    brackets = _STRING.sub(b"", body).translate(None, _NO_BRACKET)
    return max(accumulate(map(_STEP.__getitem__, brackets)), default=0)


def shown(data: object, body: bytes) -> str:
    """Python's repr of a decoded body, abridged where it would be long."""
    try:
        text = repr(data) if len(body) <= _WHOLE_REPR_BODY_BYTES else _abridged.repr(data)
    except RecursionError:
        return "a deeply nested value"
    return text if len(text) <= _REPR_CHARS else text[:_REPR_CHARS] + "…"


def _is_object(data: object) -> TypeGuard[dict[str, object]]:
    return type(data) is dict
