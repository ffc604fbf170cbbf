"""When shall a refused client come back? The model behind ``Retry-After``."""

from __future__ import annotations

LEAST_S = 0.05  # sooner is not worth the client's trouble, and would be a busy loop
MOST_S = 60.0


def retry_after_s(inside: int, capacity: int, served: int, over_s: float) -> float:
    """The expected time until the instance has a free place, in seconds, from 0.05 to 60.

    The model: a full instance goes on as it did, so every ``over_s / served`` seconds a request leaves; a place is free
    when all that are too many have left and one more. A window in which nobody left is read as if one just did:
    the estimate is then the window's length, the shortest that is not contradicted.

    Args:
        inside: requests inside the instance.
        capacity: how many may be.
        served: requests the instance has answered in the window.
        over_s: the window's length in seconds.
    """
    to_leave = max(inside - capacity + 1, 0)
    return min(max(to_leave * over_s / max(served, 1), LEAST_S), MOST_S)
