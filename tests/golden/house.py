"""The decorator of the golden flows. They import it as other flows import promptflow's."""

from __future__ import annotations

from typing import TypeVar

from pfserve.values import TOOL_MARK

F = TypeVar("F")


class ToolProvider:
    """As promptflow's: known by its name."""


def tool(function: F) -> F:
    setattr(function, TOOL_MARK, True)
    return function
