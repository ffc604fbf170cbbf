"""One line of the log for each request, written for all together that were answered within some milliseconds."""

from __future__ import annotations

import time
from collections.abc import Callable

from pfserve.telemetry.logs import tell
from pfserve.web.exchange import CUT, GONE, Exchange

_LOGGER = "pfserve.requests"
_DELAY_S = 0.01  # a line by itself costs 28 µs of CPU a request, with others 4; a kill -9 loses those of so long
_NO_STATUS = {GONE: "gone", CUT: "cut"}


class RequestLog:
    """The requests of one worker. ``call_later(delay_s, callback)`` is the event loop's, ``clock`` the time of day."""

    def __init__(self, call_later: Callable[..., object], clock: Callable[[], float] = time.time) -> None:
        self._call_later = call_later
        self._clock = clock
        self._lines: list[tuple[float, str, str, int, float, str]] = []

    def add(self, exchange: Exchange, took_s: float) -> None:
        """A request has been answered, or its client has gone."""
        if not self._lines:
            self._call_later(_DELAY_S, self.flush)
        self._lines.append(
            (self._clock(), exchange.method, exchange.message.path, exchange.status, took_s, exchange.request_id)
        )

    def flush(self) -> None:
        """Write what there is, now."""
        lines, self._lines = self._lines, []
        tell(_LOGGER, [(line[0], _text(*line[1:])) for line in lines])


def _text(method: str, path: str, status: int, took_s: float, request_id: str) -> str:
    return f"{method} {_loggable(path)} {_NO_STATUS.get(status) or status} {took_s * 1000:.1f} ms {request_id}"


def _loggable(path: str) -> str:
    return path[:200].encode("ascii", "backslashreplace").decode()
