"""Quotas per minute. Time is passed in."""

from __future__ import annotations

import math

from pfserve.stub.refusal import Refusal

_MINUTE_S = 60.0


class TokenBucket:
    """Holds a minute's worth, and fills up again evenly."""

    def __init__(self, per_minute: int, now_s: float) -> None:
        self.per_minute = per_minute
        self._held = float(per_minute)
        self._at_s = now_s

    def held(self, now_s: float) -> float:
        """How much may be taken now."""
        filled = self._held + (now_s - self._at_s) * self.per_minute / _MINUTE_S
        return min(float(self.per_minute), filled)

    def wait_s(self, amount: float, now_s: float) -> float:
        """How long until ``amount`` may be taken; infinite if it never fits."""
        if amount > self.per_minute:
            return math.inf
        missing = max(0.0, amount - self.held(now_s))
        return round(missing * _MINUTE_S / self.per_minute, 6)  # no error of rounding sends those away who waited

    def take(self, amount: float, now_s: float) -> None:
        """Take ``amount``; the caller has looked whether it may."""
        self._held = self.held(now_s) - amount
        self._at_s = now_s


class Quota:
    """The limits on requests and tokens per minute, 0 for none, and what they make of a request."""

    def __init__(self, requests_per_minute: int, tokens_per_minute: int, now_s: float) -> None:
        limits = {"requests": requests_per_minute, "tokens": tokens_per_minute}
        self._buckets = {kind: TokenBucket(limit, now_s) for kind, limit in limits.items() if limit}

    def charge(self, tokens: int, now_s: float) -> dict[str, str]:
        """Count a request that costs ``tokens``; give the headers that tell what is left. A refused one costs nothing.

        Raises:
            Refusal: 429; it is one too many.
        """
        costs = {"requests": 1, "tokens": tokens}
        for kind, bucket in self._buckets.items():
            if bucket.wait_s(costs[kind], now_s) > 0:
                raise _one_too_many(kind, bucket, costs[kind], now_s, self._headers(now_s))
        for kind, bucket in self._buckets.items():
            bucket.take(costs[kind], now_s)
        return self._headers(now_s)

    def _headers(self, now_s: float) -> dict[str, str]:
        headers = {}
        for kind, bucket in self._buckets.items():
            headers[f"x-ratelimit-limit-{kind}"] = str(bucket.per_minute)
            headers[f"x-ratelimit-remaining-{kind}"] = str(int(bucket.held(now_s)))
            headers[f"x-ratelimit-reset-{kind}"] = duration(bucket.wait_s(bucket.per_minute, now_s))
        return headers


def duration(seconds: float) -> str:
    """A time as OpenAI writes it: 12ms, 7.2s, 1m3s."""
    if seconds < 1:
        return f"{math.ceil(seconds * 1000)}ms"
    if seconds < _MINUTE_S:
        return f"{seconds:.4g}s"
    return f"{int(seconds // _MINUTE_S)}m{math.ceil(seconds % _MINUTE_S)}s"


def _one_too_many(kind: str, bucket: TokenBucket, cost: int, now_s: float, headers: dict[str, str]) -> Refusal:
    wait_s = bucket.wait_s(cost, now_s)
    used = bucket.per_minute - int(bucket.held(now_s))
    message = f"Rate limit reached on {kind} per min: limit {bucket.per_minute}, used {used}, requested {cost}."
    if math.isinf(wait_s):
        return Refusal(429, f"{message} It never fits.", kind=kind, code="rate_limit_exceeded", headers=headers)
    message += f" Please try again in {duration(wait_s)}."
    waits = {"Retry-After": str(math.ceil(wait_s)), "retry-after-ms": str(math.ceil(wait_s * 1000))}
    return Refusal(429, message, kind=kind, code="rate_limit_exceeded", headers=headers | waits)
