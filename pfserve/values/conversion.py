"""How values become what a declared type says: inputs and their defaults, literals of a node (contract 3.3, 3.5)."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TypeAlias

from pfserve.errors import UserError

Convert: TypeAlias = Callable[[object], object]

_IMPOSSIBLE = (ValueError, TypeError, OverflowError, RecursionError)  # what int(), float(), str() and json.loads raise


class ConversionError(Exception):
    """A value is not of the type. The text is empty, or says why its JSON could not be read."""


def converter(type_name: str, input_name: str) -> Convert:
    """The conversion for values of the flow input ``input_name``.

    The function it gives takes the value of a request and gives the converted one. It raises :class:`UserError` with
    promptflow's message when the value does not fit.
    """
    convert = _CONVERSIONS.get(type_name, _unchanged)

    def convert_input(value: object) -> object:
        try:
            return convert(value)
        except ConversionError as problem:
            raise UserError(_message(type_name, input_name, value, str(problem))) from None

    return convert_input


def convert_literal(type_name: str, value: object) -> object:
    """A node's literal input as the tool's parameter wants it.

    Raises:
        ConversionError: the literal does not fit.
    """
    return _CONVERSIONS.get(type_name, _unchanged)(value)


def _message(type_name: str, input_name: str, value: object, parse_problem: str) -> str:
    if parse_problem:
        return (
            f"Failed to parse the flow input. The value for flow input '{input_name}' was interpreted as JSON string "
            f"since its type is '{type_name}'. However, the value '{value}' is invalid for JSON parsing. "
            f"Error details: {parse_problem}. Please make sure your inputs are properly formatted."
        )
    return (
        f"The input for flow is incorrect. The value for flow input '{input_name}' does not match the expected type "
        f"'{type_name}'. Please change flow input type or adjust the input value in your input data."
    )


def _to_int(value: object) -> object:
    try:
        return int(value)  # type: ignore[call-overload]
    except _IMPOSSIBLE:
        raise ConversionError from None


def _to_double(value: object) -> object:
    try:
        return float(value)  # type: ignore[arg-type]
    except _IMPOSSIBLE:
        raise ConversionError from None


def _to_bool(value: object) -> object:
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value.lower() in ("true", "false"):
        return value.lower() == "true"
    raise ConversionError


def _to_string(value: object) -> object:
    try:
        return str(value)
    except _IMPOSSIBLE:  # a list nested too deep, a number of too many digits
        raise ConversionError from None


def _to_list(value: object) -> object:
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError) as problem:
            raise ConversionError(f"({type(problem).__name__}) {problem}") from None
    if isinstance(value, list):
        return value
    raise ConversionError


def _to_object(value: object) -> object:
    if isinstance(value, str):
        try:
            return json.loads(value)
        except (ValueError, RecursionError):
            return value
    return value


def _unchanged(value: object) -> object:
    return value


_CONVERSIONS: dict[str, Convert] = {
    "int": _to_int,
    "double": _to_double,
    "bool": _to_bool,
    "string": _to_string,
    "list": _to_list,
    "object": _to_object,
}
CONVERTIBLE_TYPES = frozenset(_CONVERSIONS)
"""The types that change or check a value; of the others every value passes unchanged."""
