"""``tool`` and ``ToolProvider``: how a flow's author says what a node calls (contract sections 5.5 and 8.2)."""

from __future__ import annotations

import abc
from collections.abc import Callable, Mapping
from typing import ParamSpec, TypeVar, overload

import msgspec

from pfserve.values import DETAILS_MARK, TOOL_MARK
from pfserve.values.promptflow_errors import UserErrorException

P = ParamSpec("P")
R = TypeVar("R")

TOOL_TYPES = frozenset({"python", "llm", "prompt", "custom_llm", "csharp", "action"})

DETAILS = DETAILS_MARK
"""The attribute that holds the :class:`ToolDetails` of a tool."""


class ToolDetails(msgspec.Struct, frozen=True):
    """What the author said about a tool."""

    name: str | None
    description: str | None
    type: str | None
    input_settings: Mapping[str, object] | None
    streaming_option_parameter: str | None
    extra: Mapping[str, object]  # keyword arguments that have no meaning here


@overload
def tool(func: Callable[P, R], /) -> Callable[P, R]: ...


@overload
def tool(
    func: None = None,
    *,
    name: str | None = None,
    description: str | None = None,
    type: str | None = None,
    input_settings: Mapping[str, object] | None = None,
    streaming_option_parameter: str | None = None,
    **kwargs: object,
) -> Callable[[Callable[P, R]], Callable[P, R]]: ...


def tool(
    func: Callable[P, R] | None = None,
    *,
    name: str | None = None,
    description: str | None = None,
    type: str | None = None,
    input_settings: Mapping[str, object] | None = None,
    streaming_option_parameter: str | None = None,
    **kwargs: object,
) -> Callable[P, R] | Callable[[Callable[P, R]], Callable[P, R]]:
    """Mark a function or method as a tool, with or without parentheses. Gives back the function itself.

    Raises:
        UserErrorException: ``type`` is none of promptflow's tool types.
    """
    if type is not None and type not in TOOL_TYPES:
        raise UserErrorException(f"Tool type {type} is not supported yet.")
    details = ToolDetails(name, description, type, input_settings, streaming_option_parameter, kwargs)

    def mark(function: Callable[P, R]) -> Callable[P, R]:
        setattr(function, TOOL_MARK, True)
        setattr(function, DETAILS, details)
        return function

    return mark if func is None else mark(func)


class ToolProvider(abc.ABC):  # noqa: B024 - abstract in name, as in promptflow: authors need not override anything
    """The base of classes whose ``@tool`` method is a node. Made once per process, and shared by all threads."""

    def __init__(self, *args: object, **kwargs: object) -> None:  # noqa: B027
        pass
