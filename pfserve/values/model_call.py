"""One call of a model, as it is told to whoever counts: what was asked, how much text went in and out, how long."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import msgspec


class ModelCall(msgspec.Struct, frozen=True):
    """A call that was answered. A stream counts when it has ended, with what had come until then."""

    api: str  # "chat" | "completion" | "embeddings"
    model: str  # as the answer names it, else as the request does
    prompt_tokens: int
    completion_tokens: int
    estimated: bool  # neither the service said how many nor could they be counted exactly
    streamed: bool
    duration_s: float  # from the first attempt to the end of the answer


Record: TypeAlias = Callable[[ModelCall], None]
"""Takes one call. It is called on the event loop of the worker, or on the thread that asked, and must not block."""
