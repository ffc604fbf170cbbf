"""The ``promptflow`` names that user code imports. Nothing of promptflow is imported here, installed or not."""

from __future__ import annotations

from pfserve.compat import finder
from pfserve.compat.names import MODULES
from pfserve.compat.tool import DETAILS, ToolDetails, ToolProvider, tool
from pfserve.compat.tools.asking import rest

__all__ = ["DETAILS", "MODULES", "ToolDetails", "ToolProvider", "install", "rest", "tool"]


def install() -> None:
    """Let ``import promptflow`` and its submodules give pfserve's. Called once, before user code is imported."""
    finder.install(MODULES)
