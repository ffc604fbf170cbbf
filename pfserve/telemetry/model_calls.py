"""Counts the answered model calls of one worker: how many, and how many tokens went in and out."""

from __future__ import annotations

import asyncio
import logging

import msgspec

from pfserve.values.model_call import ModelCall

_log = logging.getLogger("pfserve")


class Totals(msgspec.Struct):
    """The calls of one model so far."""

    calls: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    estimated_calls: int = 0  # of ``calls``, those whose tokens are estimates
    duration_s: float = 0.0


class ModelCallCounter:
    """Takes calls from the loop and from other threads; counts on the loop, so that there is one writer."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.totals: dict[str, Totals] = {}  # by model
        self._loop = loop

    def take(self, call: ModelCall) -> None:
        """Count a call, now or on the loop's next turn."""
        if asyncio._get_running_loop() is self._loop:
            self._add(call)
        elif not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._add, call)

    def _add(self, call: ModelCall) -> None:
        totals = self.totals.setdefault(call.model, Totals())
        totals.calls += 1
        totals.prompt_tokens += call.prompt_tokens
        totals.completion_tokens += call.completion_tokens
        totals.estimated_calls += call.estimated
        totals.duration_s += call.duration_s
        _log.debug(
            "model call: %s %s, %d prompt and %d completion tokens%s, %.3f s",
            *(call.api, call.model, call.prompt_tokens, call.completion_tokens),
            *(" (estimated)" if call.estimated else "", call.duration_s),
        )
