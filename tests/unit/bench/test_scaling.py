from __future__ import annotations

import pytest

from bench.scaling import corrected
from bench.series import Series


def test_what_the_generator_took_is_given_back():
    measured = Series("two / one", "requests/s", "x", (1.8, 1.9))
    scaled = corrected(measured, [1.8, 2.0])
    assert scaled.samples == pytest.approx((2.0, 1.9)) and scaled.unit == "x"
