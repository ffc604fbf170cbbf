"""When a call is tried again: named histories."""

from __future__ import annotations

import pytest

from pfserve.llm.problems import Problem
from pfserve.llm.retries import Retries

BUSY = Problem("RateLimitError", "", 429, retriable=True)
UNPROCESSABLE = Problem("UnprocessableEntityError", "", 422, retriable=True)
DOWN = Problem("InternalServerError", "", 500, retriable=True)
WRONG = Problem("BadRequestError", "", 400)


def asked(seconds):
    return Problem("RateLimitError", "", 429, retriable=True, wait_s=seconds)


HISTORIES = {
    "a mistake is told at once": ([WRONG], [None]),
    "the usual waits grow to a minute": ([BUSY] * 8, [3, 4, 6, 10, 18, 34, 60, 60]),
    "the service names its wait": ([asked(7.0), asked(0.0), BUSY, asked(1.5)], [7.0, 0.0, 6, 1.5]),
    "unprocessable three times": ([UNPROCESSABLE] * 3, [3, 4, None]),
    "unprocessable three times in a row": (
        [UNPROCESSABLE, DOWN, UNPROCESSABLE, UNPROCESSABLE, UNPROCESSABLE],
        [3, 4, 6, 10, None],
    ),
}


@pytest.mark.parametrize(("problems", "waits"), HISTORIES.values(), ids=HISTORIES)
def test_histories(problems, waits):
    retries = Retries(None)
    assert [retries.wait_s(problem, 0.0) for problem in problems] == waits


def test_a_hundred_retries_and_no_more():
    retries = Retries(None)
    waits = [retries.wait_s(DOWN, 0.0) for _ in range(101)]
    assert None not in waits[:100]
    assert waits[100] is None


def test_a_wait_that_would_pass_the_deadline_is_not_begun():
    retries = Retries(deadline_s=110.0)
    assert retries.wait_s(DOWN, 100.0) == 3
    assert retries.wait_s(DOWN, 103.0) == 4
    assert retries.wait_s(DOWN, 107.0) is None
