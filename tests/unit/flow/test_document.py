"""Scalars as YAML 1.2 has them, positions, and files that mean harm."""

from __future__ import annotations

import datetime
import math

import pytest

from pfserve.errors import CompileError
from pfserve.flow.document import Element, Entry, Mapping, Scalar, Sequence, plain, read_document


def read(text: str) -> object:
    return plain(read_document(text.encode(), "f.yaml"))


def mistakes(content: str | bytes) -> list[str]:
    with pytest.raises(CompileError) as caught:
        read_document(content.encode() if isinstance(content, str) else content, "f.yaml")
    return [str(diagnostic) for diagnostic in caught.value.diagnostics]


SCALARS: dict[str, object] = {
    "yes": "yes",
    "no": "no",
    "on": "on",
    "off": "off",
    "Yes": "Yes",
    "y": "y",
    "true": True,
    "True": True,
    "TRUE": True,
    "false": False,
    "tRue": "tRue",
    "null": None,
    "~": None,
    "": None,
    "5": 5,
    "+1": 1,
    "-3": -3,
    "010": 10,
    "0o10": 8,
    "0x1f": 31,
    "0b11": 3,
    "1_000": 1000,
    "_": "_",
    "1.5": 1.5,
    "1.": 1.0,
    ".5": 0.5,
    "1e3": 1000.0,
    "1.5e-3": 0.0015,
    ".inf": math.inf,
    "-.INF": -math.inf,
    "1:30": "1:30",
    "190:20:30": "190:20:30",
    "=": "=",
    "1.2.3": "1.2.3",
    "2024-02-01": datetime.date(2024, 2, 1),
    "2024-02-01T10:00:00Z": datetime.datetime(2024, 2, 1, 10, tzinfo=datetime.UTC),
    "'5'": "5",
    '"true"': "true",
    "!!str 5": "5",
    "${inputs.text}": "${inputs.text}",
    "a text": "a text",
}


@pytest.mark.parametrize("text", SCALARS)
def test_a_scalar(text: str) -> None:
    found = read(f"key: {text}\n")
    assert found == {"key": SCALARS[text]}
    assert type(found["key"]) is type(SCALARS[text])  # type: ignore[index]


def test_nan() -> None:
    assert math.isnan(read(".nan"))  # type: ignore[arg-type]


def lines(element: Element) -> object:
    """The shape of a document with lines in place of values."""
    match element:
        case Scalar():
            return element.span.line
        case Sequence():
            return element.span.line, [lines(item) for item in element.items]
        case Mapping():
            return {f"{entry.key}@{entry.span.line}": lines(entry.value) for entry in element.entries}


def test_every_element_knows_its_line() -> None:
    text = "# comment\na: 1\nb:\n  c: x\n\n  d:\n  - 1\n  - e: |\n      long\n      text\n    f: {g: 1,\n      h: 2}\n"
    found = lines(read_document(text.encode(), "f.yaml"))
    assert found == {"a@2": 2, "b@3": {"c@4": 4, "d@6": (7, [7, {"e@8": 8, "f@11": {"g@11": 11, "h@12": 12}}])}}


def test_aliases_and_merges() -> None:
    text = "base: &b {x: 1, y: 2}\nother: {<<: *b, y: 3}\nboth: {<<: [{z: 1}, *b], z: 2}\nsame: *b\n"
    assert read(text) == {
        "base": {"x": 1, "y": 2},
        "other": {"y": 3, "x": 1},
        "both": {"z": 2, "x": 1, "y": 2},
        "same": {"x": 1, "y": 2},
    }


def test_an_empty_file_is_a_null() -> None:
    document = read_document(b"", "f.yaml")
    assert isinstance(document, Scalar)
    assert document.value is None


def test_the_line_of_a_key_is_its_own() -> None:
    document = read_document(b"a:\n\n  5\n", "f.yaml")
    assert isinstance(document, Mapping)
    [entry] = document.entries
    assert isinstance(entry, Entry)
    assert (entry.span.line, entry.value.span.line) == (1, 3)


BROKEN = {
    "a: [1, 2\nb: 3\n": "f.yaml:2: invalid YAML: while parsing a flow sequence, expected ',' or ']', but got ':'",
    "a: b: c\n": "f.yaml:1: invalid YAML: mapping values are not allowed here",
    "a: 1\n\tb: 2\n": "f.yaml:2: invalid YAML: while scanning for the next token, "
    "found character '\\t' that cannot start any token",
    "a: *x\n": "f.yaml:1: invalid YAML: found undefined alias 'x'",
    "a: 1\n---\nb: 2\n": "f.yaml:2: invalid YAML: expected a single document in the stream, but found another document",
    "a: &x [*x]\n": "f.yaml:1: invalid YAML: an alias that contains itself",
    "? [1]\n: 2\n": "f.yaml:1: invalid YAML: a key must be a single value",
    "a: 2024-13-45\n": "f.yaml:1: invalid YAML: '2024-13-45': month must be in 1..12",
    "\na: !!python/object:os.system x\n": "f.yaml:2: invalid YAML: could not determine a constructor for the tag "
    "'tag:yaml.org,2002:python/object:os.system'",
    "a: {<<: 5}\n": "f.yaml:1: invalid YAML: '<<' needs a mapping",
    f"a: {'9' * 5000}\n": f"f.yaml:1: invalid YAML: '{'9' * 5000}': Exceeds the limit (4300 digits) for integer string "
    "conversion: value has 5000 digits; use sys.set_int_max_str_digits() to increase the limit",
}


@pytest.mark.parametrize("text", BROKEN)
def test_broken_yaml_is_told_with_its_line(text: str) -> None:
    assert mistakes(text) == [BROKEN[text]]


def test_all_duplicate_keys_are_told() -> None:
    assert mistakes("a: 1\nb:\n  c: 1\n  c: 2\na: 3\n") == [
        "f.yaml:4: the key 'c' stands here again, first on line 3",
        "f.yaml:5: the key 'a' stands here again, first on line 1",
    ]


@pytest.mark.parametrize("content", [b"\xff\xfe\xff", b"a: \xe9", b"a: \x00"])
def test_bytes_that_are_no_text(content: bytes) -> None:
    [found] = mistakes(content)
    assert found.startswith("f.yaml: invalid YAML: ")


def test_a_bomb_of_aliases_is_refused() -> None:
    rows = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    rows += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 30)]
    assert mistakes("\n".join(rows)) == ["f.yaml:6: invalid YAML: its aliases make it too large"]


@pytest.mark.parametrize("text", ["[" * 10_000, "{a: " * 10_000, "- " * 10_000, "? " * 10_000])
def test_a_deep_file_is_refused(text: str) -> None:
    [found] = mistakes(text)
    assert "nested deeper than 64" in found


def test_a_huge_file_is_refused() -> None:
    assert mistakes(b"a: " + b"x" * (1 << 20)) == ["f.yaml: larger than 1 MiB"]
