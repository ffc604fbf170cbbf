"""How lower rooms know user code: by the marks that the ``promptflow`` names leave on it."""

from __future__ import annotations

import inspect

TOOL_MARK = "__pfserve_tool__"
"""``@tool`` sets this attribute to True on the function it is given and gives back that same function, so that a call
costs nothing extra and decorators above or below it keep their meaning."""

DETAILS_MARK = "__pfserve_tool_details__"
"""``@tool`` sets this attribute to what its author said about the tool."""

_PROMPTFLOW_MARK = "__tool"  # left by the decorator of a promptflow that is really installed

_PROMPTFLOW_STREAMING = "_streaming_option_parameter"


def is_tool(value: object) -> bool:
    """Whether ``value`` is a function that its author declared to be a tool."""
    return inspect.isfunction(value) and (getattr(value, TOOL_MARK, False) is True or hasattr(value, _PROMPTFLOW_MARK))


def streaming_parameter(function: object) -> str:
    """The parameter of the tool that tells it whether the request asked for a stream; empty if it has none."""
    details = getattr(function, DETAILS_MARK, None)
    named = getattr(details, "streaming_option_parameter", None) or getattr(function, _PROMPTFLOW_STREAMING, None)
    return named if isinstance(named, str) else ""
