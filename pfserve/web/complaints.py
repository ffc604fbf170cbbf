"""Log lines that clients could cause at any rate."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Callable

from pfserve.errors import RequestError

_log = logging.getLogger(__name__)

_MOST_CAUSES = 256
_MOST_CHARACTERS = 8_000  # of a stack: an exception's text can be as long as a request


class Complaints:
    """Says things in the log, each at most once a second per cause. ``clock`` gives monotonic seconds."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._next_s: dict[int | str, float] = {}

    def say(self, cause: int | str, text: str, *values: object) -> None:
        """Log, unless the same cause was logged within the last second."""
        if self._may_say(cause):
            _log.warning(text, *values)

    def say_failure(self, error: RequestError, request_id: str) -> None:
        """Log what a request died of, with the stack, if it was an exception of somebody's code.

        The author needs to see where it was raised; the client only reads what it was. The cause is the message up to
        its first colon: for a failing node that names the node.
        """
        if error.__cause__ is not None and self._may_say(error.message.partition(":")[0][:80]):
            _log.warning("request %s failed with %d: %s", request_id, error.status, _stack(error.__cause__))

    def _may_say(self, cause: int | str) -> bool:
        now_s = self._clock()
        if now_s < self._next_s.get(cause, 0.0):
            return False
        if len(self._next_s) >= _MOST_CAUSES:
            self._next_s.clear()
        self._next_s[cause] = now_s + 1.0
        return True


def _stack(problem: BaseException) -> str:
    try:
        text = "".join(traceback.format_exception(problem))
    except Exception as broken:  # an exception whose own text cannot be had
        text = f"{type(problem).__name__} (its text cannot be had: {type(broken).__name__})"
    return text if len(text) <= _MOST_CHARACTERS else f"…{text[-_MOST_CHARACTERS:]}"
