from __future__ import annotations

import pytest

from bench.durations import seconds, written
from bench.mistake import Mistake


@pytest.mark.parametrize(
    "length_s, text",
    [
        (0.0000125, "12.5 us"), (0.00012, "120 us"), (0.0123, "12.3 ms"), (0.9999, "1 s"), (1.5, "1.5 s"),
        (119, "119 s"), (120, "2 min"), (3600, "60 min"), (7200, "2 h"), (86_400, "24 h"), (119.99, "2 min"),
        (0.0009999, "1 ms"),
    ],
)  # fmt: skip
def test_lengths_for_a_reader(length_s, text):
    assert written(length_s) == text


@pytest.mark.parametrize(
    "text, length_s",
    [("500ms", 0.5), (" 30s ", 30), ("2m", 120), ("1h", 3600), ("7d", 604_800), ("7", 7), (".5s", 0.5)],
)
def test_lengths_as_people_write_them(text, length_s):
    assert seconds(text) == length_s


@pytest.mark.parametrize("text", ["", "s", "-1s", "1w", "1 2s", "nan", "inf"])
def test_what_is_no_length(text):
    with pytest.raises(Mistake):
        seconds(text)
