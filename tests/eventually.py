"""The one way in which tests wait for another process."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def eventually(probe: Callable[[], T], *, within_s: float, why: str) -> T:
    """Call ``probe`` until it gives something true, and give that back.

    An exception of the probe (a refused connection, a missing file) counts as "not yet".
    Fails with ``why`` and the last thing seen when ``within_s`` seconds have passed.
    """
    deadline = time.monotonic() + within_s
    while True:
        try:
            seen: object = probe()
            if seen:
                return seen  # type: ignore[return-value]
        except Exception as problem:  # the last one is told below
            seen = problem
        if time.monotonic() > deadline:
            raise AssertionError(f"{why} (not within {within_s:g} s; last seen: {seen!r})")
        time.sleep(0.02)
