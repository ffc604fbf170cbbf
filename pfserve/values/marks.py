"""How lower rooms know user code: by the marks that the ``promptflow`` names leave on it."""

from __future__ import annotations

import inspect

TOOL_MARK = "__pfserve_tool__"
"""``@tool`` sets this attribute to True on the function it is given and gives back that same function, so that a call
costs nothing extra and decorators above or below it keep their meaning."""

_PROMPTFLOW_MARK = "__tool"  # left by the decorator of a promptflow that is really installed


def is_tool(value: object) -> bool:
    """Whether ``value`` is a function that its author declared to be a tool."""
    return inspect.isfunction(value) and (getattr(value, TOOL_MARK, False) is True or hasattr(value, _PROMPTFLOW_MARK))
