from __future__ import annotations

import json

import pytest

from bench.mistake import Mistake
from bench.workload import from_swagger


def swagger(content, *, required=True, path="/score"):
    described = {"required": required, "content": {"application/json": content}}
    return json.dumps({"paths": {path: {"post": {"requestBody": described}}}}).encode()


def body(content, **kwargs):
    [made] = from_swagger(swagger(content, **kwargs), "/score")
    return json.loads(made)


def test_the_example_of_the_flow_comes_first():
    assert body({"example": {"text": "a sample"}, "schema": {"properties": {"text": {"type": "string"}}}}) == {
        "text": "a sample"
    }


def test_values_are_made_up_by_the_schema():
    kinds = ("string", "integer", "number", "boolean", "array", "object")
    schema = {"type": "object", "properties": {kind: {"type": kind} for kind in kinds}}
    assert body({"example": {}, "schema": schema}) == {
        "string": "hello", "integer": 1, "number": 1.0, "boolean": True, "array": [], "object": {},
    }  # fmt: skip


def test_defaults_examples_and_enumerations_are_used():
    schema = {"properties": {"a": {"default": 7}, "b": {"example": "x"}, "c": {"type": "string", "enum": ["k", "l"]}}}
    assert body({"schema": schema}) == {"a": 7, "b": "x", "c": "k"}


def test_a_flow_without_inputs_takes_an_empty_object():
    assert body({"example": {}, "schema": {"type": "object"}}, required=False) == {}


@pytest.mark.parametrize(
    ("document", "said"),
    [
        (swagger({"example": {}, "schema": {"type": "object"}}), "no sample and /swagger.json names no inputs"),
        (swagger({}), "no sample and /swagger.json names no inputs"),
        (swagger({}, path="/other"), "does not describe POST /score"),
        (b"<html>", "does not describe POST /score"),
        (b"", "does not describe POST /score"),
        (b"[" * 100_000, "does not describe POST /score"),
        (b"[]", "does not describe POST /score"),
        (swagger([]), "does not describe POST /score"),
        (swagger({"schema": "text"}), "does not describe POST /score"),
        (swagger({"schema": {"properties": ["a"]}}), "does not describe POST /score"),
        (swagger({"schema": {"properties": {"a": None}}}), "does not describe POST /score"),
        (swagger({"schema": {"properties": {"a": {"type": ["string"]}}}}), r"/score\.a is of type \['string'\]"),
        (swagger({"schema": {"properties": {"a": {"type": "null"}}}}), "/score.a is of type 'null'"),
    ],
)
def test_what_cannot_be_told_names_the_way_out(document, said):
    with pytest.raises(Mistake, match=f"{said}.*--payload FILE"):
        from_swagger(document, "/score")
