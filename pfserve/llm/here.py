"""The models of a worker's event loop, for code that runs on it and was not handed them: async code of the flow."""

from __future__ import annotations

import asyncio

from pfserve.llm.models import Models

_here: dict[asyncio.AbstractEventLoop, Models] = {}


def serve(loop: asyncio.AbstractEventLoop, models: Models) -> None:
    """Code on this loop asks these models."""
    _here[loop] = models


def models_here() -> Models | None:
    """The models of the running loop; None on every loop but a worker's."""
    return _here.get(asyncio.get_running_loop())
