"""Counts the answered model calls of one worker on its page of the ledger, where metrics of the instance find them."""

from __future__ import annotations

import asyncio
import logging

from pfserve.region import ModelCount, Page
from pfserve.values.model_call import ModelCall

_log = logging.getLogger("pfserve")


class ModelCallCounter:
    """Takes calls from the loop and from other threads; counts on the loop, so that the page has one writer."""

    def __init__(self, page: Page, loop: asyncio.AbstractEventLoop) -> None:
        self._page = page
        self._loop = loop

    def take(self, call: ModelCall) -> None:
        """Count a call, now or on the loop's next turn."""
        if asyncio._get_running_loop() is self._loop:
            self._add(call)
        elif not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._add, call)

    def _add(self, call: ModelCall) -> None:
        count = self._page.count_model
        count(ModelCount.CALLS, 1)
        count(ModelCount.ESTIMATED_CALLS, int(call.estimated))
        count(ModelCount.PROMPT_TOKENS, call.prompt_tokens)
        count(ModelCount.COMPLETION_TOKENS, call.completion_tokens)
        count(ModelCount.MICROSECONDS, int(call.duration_s * 1e6))
        _log.debug(
            "model call: %s %s, %d prompt and %d completion tokens%s, %.3f s",
            *(call.api, call.model, call.prompt_tokens, call.completion_tokens),
            *(" (estimated)" if call.estimated else "", call.duration_s),
        )
