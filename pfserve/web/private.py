"""What other workers hand over to this one, over private streams.

The requests on them were admitted where they arrived, and hold their tickets there. Only here are the headers believed
that workers give each other; only here is a request answered ``102 Processing`` when it begins.
"""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING, Any

import msgspec

from pfserve.web.relay import ARRIVED
from pfserve.web.service import Expects, Service

if TYPE_CHECKING:
    from pfserve.web.exchange import Exchange
    from pfserve.web.settings import Limits, Settings

_LOOK_AGAIN_S = 0.05


class PrivateService(Service):
    """Serves one route to the other workers of the generation. Pass it what :class:`Service` needs, with ``slots``."""

    def __init__(self, plan: Any, executor: Any, gate: Any, vitals: Any, settings: Settings, **others: Any) -> None:
        limits = _widened(settings.limits)
        super().__init__(plan, executor, gate, vitals, msgspec.structs.replace(settings, limits=limits), **others)

    def begin(self, exchange: Exchange) -> None:
        """A request has been handed over. Its deadline runs from where it first arrived."""
        self.in_progress += 1
        exchange.arrived_s = float(exchange.headers[ARRIVED])
        self._start(exchange, self._scoring.serve_handed_over)

    def ended(self, exchange: Exchange) -> None:
        """The worker where it arrived tells the log of it."""
        self.in_progress -= 1

    async def finish(self, deadline_s: float, expects: Expects = lambda: False) -> int:
        """Wait until what was handed over is answered, at most until ``deadline_s``; then close every stream."""
        assert not expects(), "nothing more is taken from other workers"
        while self.in_progress and self.clock() < deadline_s:
            await asyncio.sleep(_LOOK_AGAIN_S)
        dropped = self.in_progress
        for connection in list(self.connections):
            connection.abort()
        return dropped


def _widened(limits: Limits) -> Limits:
    """The limits have been kept where the request arrived; with the headers that we add it may be larger."""
    return msgspec.structs.replace(limits, head_bytes=2 * limits.head_bytes + 1024, bodies_in_flight_bytes=sys.maxsize)
