"""What may be given to a tool by name, read once from its signature (contract 3.5)."""

from __future__ import annotations

import inspect
from collections.abc import Callable

import msgspec

from pfserve.values import choices_of_annotation, connection_classes, strong_connection_class, type_of_annotation

_BY_NAME = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)


class Parameter(msgspec.Struct, frozen=True):
    """One thing that a tool takes. ``type_name`` is what literals for it are converted to."""

    name: str
    type_name: str
    required: bool
    connections: tuple[str, ...] = ()  # for the type "connection": the names of the classes that will do
    strong: type | None = None  # the author's own class, which a custom connection is turned into
    choices: tuple[str, ...] = ()  # of an enumeration


class Signature(msgspec.Struct, frozen=True):
    """Everything that a function takes."""

    parameters: dict[str, Parameter]  # those that can be given by name
    takes_any_name: bool  # it has **kwargs
    needs_positions: bool  # it has positional-only parameters, which nothing can give


def read_signature(function: Callable[..., object], *, bound: bool = False) -> Signature:
    """The signature of a function; of a method, ``bound``, without its first parameter.

    Raises:
        ValueError, TypeError: a decorator left a signature that is none.
    """
    given = list(inspect.signature(function).parameters.values())[int(bound) :]
    return Signature(
        parameters={one.name: _parameter(one) for one in given if one.kind in _BY_NAME},
        takes_any_name=any(one.kind is inspect.Parameter.VAR_KEYWORD for one in given),
        needs_positions=any(one.kind is inspect.Parameter.POSITIONAL_ONLY for one in given),
    )


def _parameter(one: inspect.Parameter) -> Parameter:
    return Parameter(
        name=one.name,
        type_name=type_of_annotation(one.annotation, one.default),
        required=one.default is inspect.Parameter.empty,
        connections=connection_classes(one.annotation),
        strong=strong_connection_class(one.annotation),
        choices=choices_of_annotation(one.annotation),
    )
