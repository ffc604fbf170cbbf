from __future__ import annotations

import pytest

from bench.mistake import Mistake
from bench.schedule.trace import read


@pytest.fixture
def written(tmp_path):
    def write(text, name="trace.jsonl", speed=1.0):
        path = tmp_path / name
        path.write_text(text)
        return read(path, speed).offsets_s

    return write


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("numbers.jsonl", "100\n101\n\n100.5\n"),
        ("objects.jsonl", '{"timestamp": 5, "user": "a"}\n{"timestamp": 6}\n{"Timestamp": 5.5}\n'),
        ("dates.jsonl", '"2024-05-10T00:00:00Z"\n"2024-05-10T00:00:01+00:00"\n"2024-05-10 00:00:00.5"\n'),
        (
            "named.csv",
            "tokens,TIMESTAMP\n4808,2023-11-16 18:17:03.5\n3180,2023-11-16 18:17:04.5\n1,2023-11-16 18:17:04\n",
        ),
        ("bare.csv", "1.0\n2.0\n1.5\n"),
        ("negative.csv", "-1\n-2.0\n-1.5\n"),
    ],
)
def test_times_begin_at_zero_and_ascend(written, name, text):
    assert written(text, name) == pytest.approx((0, 0.5, 1))


def test_speed_is_a_factor(written):
    assert written("0\n1000\n3000\n", speed=1000) == (0, 1, 3)


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("a.jsonl", "", "no request is in it"),
        ("a.csv", "timestamp\n", "no request is in it"),
        ("a.csv", "", "no request is in it"),
        ("a.jsonl", "1\n{\n", "line 2: no JSON"),
        ("a.jsonl", '{"when": 1}', "line 1: none of timestamp"),
        ("a.jsonl", '{"ts": "soon"}', "line 1: 'soon' is neither seconds nor a date and time"),
        ("a.jsonl", "1\n1e400\n", "line 2: no JSON"),
        ("a.jsonl", f"1\n{'9' * 400}\n", "line 2: 9+ is neither"),
        ("a.csv", "ts\n1\nnan\n", "line 3: 'nan' is neither"),
        ("a.csv", "ts\n-inf\n1\n", "line 2: '-inf' is neither"),
        ("a.csv", f"ts\n1\n{'9' * 200_000}\n", "field larger than field limit"),
        ("a.jsonl", "true", "line 1: True is neither"),
        ("a.csv", "n,ts\n1,5\n2\n", "line 3: '' is neither"),
    ],
)
def test_what_is_no_trace_is_told_with_its_line(written, name, text, said):
    with pytest.raises(Mistake, match=said):
        written(text, name)


def test_no_file(tmp_path):
    with pytest.raises(Mistake, match=r"nothing\.csv"):
        read(tmp_path / "nothing.csv", 1)
