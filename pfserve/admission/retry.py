"""When shall a refused client come back? The model behind ``Retry-After``."""

from __future__ import annotations

from collections.abc import Sequence

LEAST_S = 0.05  # sooner is not worth the client's trouble, and would be a busy loop
MOST_S = 60.0


def next_end_s(ages_s: Sequence[float], mean_s: float | None) -> float | None:
    """How long it should take until one of the requests ends that have been running for so long; None without any.

    A request should take as long as requests took lately. Of those that have taken longer it is not known how much
    longer they take: as long again as on average, each for itself. While nothing has ended yet, as long as they have
    taken so far: that is the estimate that is off by the smallest factor.

    Args:
        ages_s: of the requests, oldest first.
        mean_s: how long requests took lately; None if none has ended.
    """
    if not ages_s:
        return None
    if mean_s is None:
        return ages_s[0]
    left_s = [mean_s - age_s for age_s in ages_s if age_s < mean_s]
    overdue = len(ages_s) - len(left_s)
    guesses = ([min(left_s)] if left_s else []) + ([mean_s / overdue] if overdue else [])
    return min(guesses)


def extrapolated_s(told_s: float, running: float, mean_s: float | None) -> float | None:
    """How long until a request of another worker ends that has told when one should; None if that says nothing.

    What it told may be over. Then another request has come in the place of the one that ended, as the instance is full,
    and ends come evenly.

    Args:
        told_s: until the end that it told of; below zero for one that is over.
        running: how many requests it runs, about.
        mean_s: how long requests took lately; None if none has ended.
    """
    if told_s > 0:
        return told_s
    if not mean_s:
        return None
    step_s = mean_s / max(running, 1.0)
    return step_s - -told_s % step_s


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
