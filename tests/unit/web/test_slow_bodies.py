"""When a body is too slow."""

import pytest

from pfserve.web.body import too_slow
from pfserve.web.settings import Limits

LIMITS = Limits(body_first_byte_s=5.0, body_s=30.0, body_bytes_per_s=1000.0)


@pytest.mark.parametrize(
    ("received", "elapsed_s", "problem"),
    [
        (0, 4.9, None),
        (0, 5.1, "no byte of it came within 5 s"),
        (1, 4.9, None),
        (1, 5.1, "it came slower than 1000 bytes a second"),
        (6000, 5.9, None),
        (6000, 6.1, "it came slower than 1000 bytes a second"),
        (10**9, 29.9, None),
        (10**9, 30.1, "it was not complete within 30 s"),
        (0, 30.1, "it was not complete within 30 s"),
    ],
)
def test_too_slow(received: int, elapsed_s: float, problem: str | None) -> None:
    assert too_slow(received, elapsed_s, LIMITS) == problem
