"""Quotas per minute, as histories of requests at given times."""

from __future__ import annotations

import pytest

from pfserve.stub.bucket import Quota, TokenBucket, duration
from pfserve.stub.refusal import Refusal


def test_a_bucket_holds_a_minutes_worth_and_fills_up_evenly():
    bucket = TokenBucket(60, 0.0)
    bucket.take(60, 0.0)
    assert bucket.held(0.0) == 0
    assert bucket.wait_s(1, 0.0) == 1.0
    assert bucket.held(30.0) == 30
    assert bucket.wait_s(1, 30.0) == 0
    assert bucket.held(1000.0) == 60


def test_no_limit_never_refuses_and_says_nothing():
    quota = Quota(0, 0, 0.0)
    assert [quota.charge(10**9, 0.0) for _ in range(100)] == [{}] * 100


def outcome(quota: Quota, tokens: int, now_s: float) -> str:
    try:
        quota.charge(tokens, now_s)
    except Refusal as refusal:
        assert refusal.status == 429
        assert refusal.code == "rate_limit_exceeded"
        return f"{refusal.kind} {refusal.headers.get('retry-after-ms', 'never')} {refusal.headers.get('Retry-After')}"
    return "ok"


@pytest.mark.parametrize(
    ("rpm", "tpm", "history"),
    [
        (2, 0, [(0, 9, "ok"), (0, 9, "ok"), (0, 9, "requests 30000 30"), (29.5, 9, "requests 500 1"), (30, 9, "ok")]),
        (0, 60, [(0, 50, "ok"), (0, 20, "tokens 10000 10"), (0, 10, "ok"), (0, 61, "tokens never None")]),
        (1, 60, [(0, 60, "ok"), (0, 1, "requests 60000 60"), (60, 60, "ok")]),
        # what is refused for its tokens does not count as a request
        (1, 10, [(0, 11, "tokens never None"), (0, 10, "ok")]),
    ],
)
def test_histories(rpm: int, tpm: int, history: list[tuple[float, int, str]]):
    quota = Quota(rpm, tpm, 0.0)
    assert [outcome(quota, tokens, now_s) for now_s, tokens, _ in history] == [told for *_, told in history]


def test_headers_tell_what_is_left():
    assert Quota(10, 600, 0.0).charge(60, 0.0) == {
        "x-ratelimit-limit-requests": "10",
        "x-ratelimit-remaining-requests": "9",
        "x-ratelimit-reset-requests": "6s",
        "x-ratelimit-limit-tokens": "600",
        "x-ratelimit-remaining-tokens": "540",
        "x-ratelimit-reset-tokens": "6s",
    }


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0ms"), (0.0121, "13ms"), (1, "1s"), (7.25, "7.25s"), (60, "1m0s"), (363.2, "6m4s")]
)
def test_durations(seconds: float, text: str):
    assert duration(seconds) == text
