"""The ``promptflow`` names that user code imports. Nothing of promptflow is imported here, installed or not."""

from __future__ import annotations

from pfserve.compat import finder
from pfserve.compat.context import executes
from pfserve.compat.given import give
from pfserve.compat.names import MODULES
from pfserve.compat.tool import DETAILS, ToolDetails, ToolProvider, tool
from pfserve.compat.tools.asking import rest
from pfserve.connections import Connections

__all__ = ["DETAILS", "MODULES", "ToolDetails", "ToolProvider", "install", "rest", "tool"]


def install(connections: Connections | None = None, kind: str = "dag") -> None:
    """Let ``import promptflow`` and its submodules give pfserve's. Called once, before user code is imported.

    ``connections`` is what names of connections mean that user code brings up while it runs, ``kind`` that of the flow.
    """
    executes(kind)
    finder.install(MODULES)
    if connections is not None:
        give(connections)
