"""Outputs and errors → JSON."""

import dataclasses
import datetime
import json
import math
from uuid import UUID

import pytest

from pfserve.errors import UserError
from pfserve.values import Bare
from pfserve.web.encode import encode_error, encode_outputs, encode_returned, with_literal_nan


class Text(str):
    __slots__ = ()


@dataclasses.dataclass
class Point:
    x: int


@pytest.mark.parametrize(
    ("outputs", "body"),
    [
        ({"b": 1, "a": "x"}, '{"b":1,"a":"x"}'),
        ({"a": "grüße"}, '{"a":"grüße"}'),
        ({"a": math.nan, "b": [math.inf]}, '{"a":null,"b":[null]}'),
        ({"a": {2: "two", None: "none", True: "yes"}}, '{"a":{"2":"two","null":"none","true":"yes"}}'),
        ({"a": {1: math.nan}}, '{"a":{"1":null}}'),
        ({"a": 2**70}, '{"a":1180591620717411303424}'),
        ({"a": 2**70, "b": {"c": (math.nan, 1)}}, '{"a":1180591620717411303424,"b":{"c":[null,1]}}'),
        ({"a": (1, 2)}, '{"a":[1,2]}'),
        ({"a": Text("t")}, '{"a":"t"}'),
        ({"a": "\ud800"}, '{"a":"\\ud800"}'),
        ({}, "{}"),
    ],
)
def test_what_outputs_become(outputs: dict[str, object], body: str) -> None:
    assert encode_outputs(outputs).decode() == body


def _nested(depth: int) -> list[object]:
    value: list[object] = []
    for _ in range(depth):
        value = [value]
    return value


def test_depth_beyond_the_fast_encoder() -> None:
    assert json.loads(encode_outputs({"a": _nested(300)})) == {"a": _nested(300)}


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        ({1}, "(TypeError) Object of type set is not JSON serializable"),
        (b"x", "(TypeError) Object of type bytes is not JSON serializable"),
        (Point(1), "(TypeError) Object of type Point is not JSON serializable"),
        (datetime.datetime(2026, 1, 1), "(TypeError) Object of type datetime is not JSON serializable"),
        ({(1, 2): 3}, "(TypeError) keys must be str, int, float, bool or None, not tuple"),
        ({UUID(int=1): 3}, "(TypeError) keys must be str, int, float, bool or None, not UUID"),
        (_nested(5000), "(RecursionError)"),
    ],
)
def test_what_is_no_json_is_named(value: object, problem: str) -> None:
    with pytest.raises(UserError) as refusal:
        encode_outputs({"fine": 1, "bad": value})
    message = refusal.value.message
    assert message.startswith(
        "The output 'bad' for flow is incorrect. The output value is not JSON serializable. JSON dump failed: "
        + problem
    )
    assert message.endswith(". Please verify your flow output and make sure the value serializable.")


def test_nan_as_promptflows_flask_engine_writes_it() -> None:
    literally, bare = with_literal_nan(encode_outputs), with_literal_nan(encode_returned)
    assert literally({"a": [math.nan, {"b": -math.inf}], "c": None, "d": "é"}, "basic") == (
        b'{"a":[NaN,{"b":-Infinity}],"c":null,"d":"\\u00e9"}'
    )
    assert bare(Bare(output=math.inf), "basic") == b"Infinity"
    assert literally({"a": "é"}, "basic") == '{"a":"é"}'.encode()
    assert literally({"a": math.nan, "b": UUID(int=1)}, "basic") == encode_outputs({"a": None, "b": UUID(int=1)})
    with pytest.raises(UserError):
        literally({"a": {1}}, "basic")


def test_errors() -> None:
    assert encode_error("UserError", "né") == '{"error":{"code":"UserError","message":"né"}}'.encode()
    assert encode_error("UserError", "\udcff") == b'{"error":{"code":"UserError","message":"\\udcff"}}'
