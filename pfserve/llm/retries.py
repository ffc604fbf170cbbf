"""How often a call is tried, and how long to wait in between (contract 3.8, 10.2 row 23). Pure."""

from __future__ import annotations

from pfserve.llm.problems import Problem

NODE_RETRIES = 100
PROMPTY_RETRIES = 10

_UNPROCESSABLE_IN_A_ROW = 3
_LONGEST_WAIT_S = 60.0


class Retries:
    """The retries of one call, ``limit`` at most.

    ``deadline_s`` is the request's, in the caller's clock; None for none.
    """

    def __init__(self, deadline_s: float | None, limit: int = NODE_RETRIES) -> None:
        self._deadline_s = deadline_s
        self._limit = limit
        self._made = 0
        self._unprocessable = 0

    def wait_s(self, problem: Problem, now_s: float) -> float | None:
        """How long to wait before the next attempt; None if there is to be none."""
        if not problem.retriable:
            return None
        self._unprocessable = self._unprocessable + 1 if problem.status == 422 else 0
        if self._made == self._limit or self._unprocessable == _UNPROCESSABLE_IN_A_ROW:
            return None
        wait_s = usual_wait_s(self._made) if problem.wait_s is None else problem.wait_s
        if self._deadline_s is not None and now_s + wait_s >= self._deadline_s:
            return None
        self._made += 1
        return wait_s


def usual_wait_s(retry: int) -> float:
    """The wait before the retry of that number, counted from 0, if the service does not name one: 3, 4, 6, 10, ..."""
    return min(2.0 + 2.0 ** min(retry, 6), _LONGEST_WAIT_S)
