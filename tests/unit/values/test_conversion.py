"""The conversion table of the contract, row by row, with its messages."""

from __future__ import annotations

import math

import pytest

from pfserve.errors import UserError
from pfserve.values import ConversionError, convert_literal, converter

DEEP = "[" * 100_000

ACCEPTED = [
    ("int", "12", 12),
    ("int", " 12 ", 12),
    ("int", 3.9, 3),
    ("int", True, 1),
    ("int", -7, -7),
    ("double", "3", 3.0),
    ("double", True, 1.0),
    ("double", 2, 2.0),
    ("double", "inf", math.inf),
    ("bool", True, True),
    ("bool", False, False),
    ("bool", "true", True),
    ("bool", "FALSE", False),
    ("bool", "True", True),
    ("string", "x", "x"),
    ("string", 5, "5"),
    ("string", True, "True"),
    ("string", {"a": 1}, "{'a': 1}"),
    ("string", None, "None"),
    ("string", ["a"], "['a']"),
    ("list", [1], [1]),
    ("list", "[1, 2]", [1, 2]),
    ("list", "[]", []),
    ("object", {"a": 1}, {"a": 1}),
    ("object", '{"a": 1}', {"a": 1}),
    ("object", "5", 5),
    ("object", "null", None),
    ("object", "not json", "not json"),
    ("object", "", ""),
    ("object", None, None),
    ("object", 5, 5),
    ("object", [1], [1]),
    ("secret", 5, 5),
    ("prompt_template", None, None),
    ("file_path", "x", "x"),
]


@pytest.mark.parametrize(("kind", "given", "expected"), ACCEPTED)
def test_accepted(kind: str, given: object, expected: object) -> None:
    found = converter(kind, "i")(given)
    assert found == expected
    assert type(found) is type(expected)
    assert convert_literal(kind, given) == expected


REJECTED = [
    ("int", "1.5"),
    ("int", "abc"),
    ("int", ""),
    ("int", None),
    ("int", [1]),
    ("int", math.inf),
    ("int", math.nan),
    ("int", "9" * 5000),
    ("double", "abc"),
    ("double", None),
    ("double", {}),
    ("double", 10**400),
    ("bool", 1),
    ("bool", 0),
    ("bool", "yes"),
    ("bool", None),
    ("bool", ""),
    ("list", {"a": 1}),
    ("list", 5),
    ("list", None),
    ("list", '{"a": 1}'),
    ("list", "5"),
]


@pytest.mark.parametrize(("kind", "given"), REJECTED)
def test_rejected(kind: str, given: object) -> None:
    with pytest.raises(UserError) as caught:
        converter(kind, "i")(given)
    assert caught.value.message == (
        f"The input for flow is incorrect. The value for flow input 'i' does not match the expected type '{kind}'. "
        "Please change flow input type or adjust the input value in your input data."
    )
    with pytest.raises(ConversionError):
        convert_literal(kind, given)


def test_a_list_that_is_no_json_tells_why() -> None:
    with pytest.raises(UserError) as caught:
        converter("list", "l")("notjson")
    assert caught.value.message == (
        "Failed to parse the flow input. The value for flow input 'l' was interpreted as JSON string since its type is "
        "'list'. However, the value 'notjson' is invalid for JSON parsing. Error details: (JSONDecodeError) Expecting "
        "value: line 1 column 1 (char 0). Please make sure your inputs are properly formatted."
    )


def nested(depth: int) -> list[object]:
    value: list[object] = []
    for _ in range(depth):
        value = [value]
    return value


def test_values_nested_too_deep_end_the_request_and_nothing_else() -> None:
    with pytest.raises(UserError, match="RecursionError"):
        converter("list", "l")(DEEP)
    assert converter("object", "o")(DEEP) == DEEP
    with pytest.raises(UserError, match="expected type 'string'"):
        converter("string", "s")(nested(100_000))
