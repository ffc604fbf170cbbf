"""Bodies → inputs."""

import contextlib
import json
import math
import sys
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pfserve.errors import UserError
from pfserve.web.decode import Decoder, NotJson, decode_json

ONE = Decoder(["text"], ["text"])
TWO = Decoder(["a", "b"], ["a", "b"])
DEFAULTS = Decoder(["a", "b"], [])
NONE = Decoder([], [])

MANY = (
    "Promptflow executor received non json data, but there's more than 1 input fields, "
    "please use json request data instead."
)


@pytest.mark.parametrize(
    ("decode", "body", "values"),
    [
        (ONE, b'{"text": "hi"}', {"text": "hi"}),
        (ONE, b'{"text": "hi", "more": 1}', {"text": "hi", "more": 1}),
        (ONE, b'{"text": null}', {"text": None}),
        (ONE, b'{"text": 1, "text": 2}', {"text": 2}),
        (ONE, b"plain words", {"text": "plain words"}),
        (ONE, b"", {"text": ""}),
        (ONE, b"text=form", {"text": "text=form"}),
        (ONE, "grüße".encode(), {"text": "grüße"}),
        (ONE, b'{"text": ', {"text": '{"text": '}),
        (ONE, b'{"text": 123456789012345678901234567890}', {"text": 123456789012345678901234567890}),
        (ONE, b'{"text": Infinity}', {"text": math.inf}),
        (ONE, b'{"text": 1e999}', {"text": math.inf}),
        (ONE, b'{"text": "\\ud800"}', {"text": "\ud800"}),
        (ONE, '{"text": "ü"}'.encode("utf-16"), {"text": "ü"}),
        (ONE, '{"text": "ü"}'.encode("utf-32-le"), {"text": "ü"}),
        (ONE, b'\xef\xbb\xbf{"text": "bom"}', {"text": "bom"}),
        (TWO, b'{"a": 1, "b": [2]}', {"a": 1, "b": [2]}),
        (DEFAULTS, b"{}", {}),
        (DEFAULTS, b"null", {}),
        (NONE, b"\xff\xfe anything", {}),
        (NONE, b"[1", {}),
    ],
)
def test_what_a_body_gives(decode: Decoder, body: bytes, values: dict[str, object]) -> None:
    assert decode(body) == values


def test_nan_is_accepted() -> None:
    value = ONE(b'{"text": NaN}')["text"]
    assert isinstance(value, float)
    assert math.isnan(value)


@pytest.mark.parametrize(
    ("decode", "body", "message"),
    [
        (ONE, b'{"x": 1}', "Required input fields ['text'] are missing in request data {'x': 1}"),
        (ONE, b"{}", "Required input fields ['text'] are missing in request data {}"),
        (TWO, b'{"b": true}', "Required input fields ['a'] are missing in request data {'b': True}"),
        (TWO, b"{}", "Required input fields ['a', 'b'] are missing in request data {}"),
        (ONE, b"[1,2]", "Required input fields ['text'] are missing in request data [1, 2]"),
        (ONE, b'"hello"', "Required input fields ['text'] are missing in request data 'hello'"),
        (ONE, b'"the text here"', "must be a JSON object with the input fields ['text'], but it is 'the text here'."),
        (ONE, b'["text"]', "must be a JSON object"),
        (ONE, b"5", "must be a JSON object with the input fields ['text'], but it is 5."),
        (ONE, b"null", "must be a JSON object with the input fields ['text'], but it is None."),
        (DEFAULTS, b"[1,2]", "must be a JSON object"),
        (DEFAULTS, b"[]", "must be a JSON object"),
        (DEFAULTS, b'[["a","q"]]', "must be a JSON object"),
        (DEFAULTS, b"true", "must be a JSON object"),
        (TWO, b"plain", MANY),
        (TWO, b"", MANY),
        (TWO, b"\xff", MANY),
        (ONE, b"caf\xe9", "neither JSON nor text in UTF-8 for the input 'text': 'utf-8' codec can't decode byte 0xe9"),
        (ONE, b"[" * 100_000 + b"]" * 100_000, "nested too deeply"),
        (TWO, b'{"a":' * 5_000 + b"1" + b"}" * 5_000, "nested too deeply"),
    ],
)
def test_what_is_refused(decode: Decoder, body: bytes, message: str) -> None:
    with pytest.raises(UserError) as refusal:
        decode(body)
    assert message in refusal.value.message


@pytest.fixture
def no_limit() -> Iterator[None]:
    """Flow code that has raised Python's limit of recursion."""
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(10**6)
    yield
    sys.setrecursionlimit(before)


@pytest.mark.usefixtures("no_limit")
@pytest.mark.parametrize(
    "body",
    [
        b"[" * 200_000,
        b'{"a":' * 50_000,
        b'{"text": ' + b"[" * 1000 + b"]" * 1000 + b"}",
        b'["]",' * 200_000,
        b'["]\\"]",' * 200_000,
    ],
    ids=["brackets", "braces", "one level too many", "hidden by strings", "hidden by escapes"],
)
def test_flow_code_that_raises_the_limit_of_recursion_does_not_open_the_stack(body: bytes) -> None:
    with pytest.raises(UserError, match="nested too deeply"):
        ONE(body)


@pytest.mark.usefixtures("no_limit")
def test_many_brackets_that_are_not_deep_are_read() -> None:
    value = [[1], {"a": "]]]]"}] * 5_000 + ["[" * 100_000]
    assert ONE(json.dumps({"text": value}).encode()) == {"text": value}
    deep = b"[" * 999 + b"]" * 999
    assert ONE(b'{"text": ' + deep + b"}")["text"] == decode_json(deep)


def test_a_long_value_is_abridged_in_messages() -> None:
    with pytest.raises(UserError) as refusal:
        ONE(b'{"x": "' + b"y" * 1_000_000 + b'"}')
    assert refusal.value.message.startswith("Required input fields ['text'] are missing in request data {'x': 'yyy")
    assert len(refusal.value.message) < 4000


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    )
)
def test_json_is_read_as_python_reads_it(value: object) -> None:
    assert decode_json(json.dumps(value).encode()) == value


@given(st.binary(max_size=40))
def test_any_bytes_are_json_or_not(body: bytes) -> None:
    with contextlib.suppress(NotJson):
        decode_json(body)
