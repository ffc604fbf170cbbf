"""The lines of a .env file."""

from __future__ import annotations

from pathlib import Path

import pytest

from pfserve.config.variables import from_file, from_flags
from pfserve.errors import ConfigError

LINES = [
    ("A=b", {"A": "b"}),
    ("", {}),
    ("# A=b", {}),
    ("  export A = b  ", {"A": "b"}),
    ("A=b=c", {"A": "b=c"}),
    ("A=", {"A": ""}),
    ("A=b # c", {"A": "b"}),
    ("A=# c", {"A": ""}),
    ("A=b#c", {"A": "b#c"}),
    ("A='b # c' # d", {"A": "b # c"}),
    (r'A="b\n\"c\" \\"', {"A": 'b\n"c" \\'}),
    (r"A='b\n'", {"A": r"b\n"}),
    ("A='b", {"A": "'b"}),
    ("A=${B}", {"A": "${B}"}),
    ("A=1\nB=2\nA=3", {"A": "3", "B": "2"}),
]


@pytest.mark.parametrize(("text", "variables"), LINES)
def test_a_file(tmp_path: Path, text: str, variables: dict[str, str]):
    file = tmp_path / ".env"
    file.write_text(text)
    assert from_file(str(file)) == variables


@pytest.mark.parametrize("text", ["secret", "=secret", "two words=secret", "A=secret\0"])
def test_a_line_that_is_none_is_named_by_its_number_and_not_shown(tmp_path: Path, text: str):
    file = tmp_path / ".env"
    file.write_text(f"A=b\n{text}\n")
    with pytest.raises(ConfigError, match=r"\.env:2\): expected KEY=VALUE, a comment or an empty line") as refused:
        from_file(str(file))
    assert "secret" not in str(refused.value)


def test_a_file_that_is_not_text(tmp_path: Path):
    file = tmp_path / ".env"
    file.write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError, match="not a UTF-8 text file"):
        from_file(str(file))


def test_of_equal_names_the_last_flag_wins():
    assert from_flags(["A=1", "A=2=3"]) == {"A": "2=3"}
