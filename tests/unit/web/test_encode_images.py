"""Images in outputs, wherever they are, in both formats; and that they change no message about other values."""

import json
import math

import pytest

from pfserve.errors import UserError
from pfserve.values import Image, PFBytes, Text
from pfserve.web.encode import encode_outputs

IMAGE = Image(b"\x89PNG\r\n\x1a\n")
BASIC = {"data:image/png;base64": "iVBORw0KGgo="}
VISION = {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}}


@pytest.mark.parametrize(("message_format", "one"), [("basic", BASIC), ("openai-vision", VISION)])
def test_images_anywhere(message_format: str, one: object) -> None:
    outputs = {"a": IMAGE, "b": [IMAGE, [IMAGE]], "c": {"d": {"e": IMAGE}}, "f": (IMAGE, "x")}
    expected = {"a": one, "b": [one, [one]], "c": {"d": {"e": one}}, "f": [one, "x"]}
    body = encode_outputs(outputs, message_format)
    assert json.loads(body) == expected
    assert list(json.loads(body)) == list(outputs)


@pytest.mark.parametrize(("message_format", "one"), [("basic", BASIC), ("openai-vision", VISION)])
@pytest.mark.parametrize("odd", [2**70, {1: "x"}, "\ud800", {"deep": math.nan, "n": 2**70}], ids=repr)
def test_images_beside_what_the_fast_encoder_refuses(message_format: str, one: object, odd: object) -> None:
    assert json.loads(encode_outputs({"a": [IMAGE, odd]}, message_format))["a"][0] == one


@pytest.mark.parametrize(
    ("image", "basic"),
    [
        (Image(b"x", "image/jpg", "http://h/x"), {"data:image/jpg;base64": "eA=="}),
        (Image(b"x"), {"data:image/*;base64": "eA=="}),
        (Image(b""), {"data:image/*;base64": ""}),
        (PFBytes(b"x", "image/png"), {"data:image/png;base64": "eA=="}),
        (Image(b"x", 'image/"\\é'), {'data:image/"\\é;base64': "eA=="}),
        (Text("a", [1]), "a"),
    ],
)
def test_what_an_image_becomes(image: object, basic: object) -> None:
    assert json.loads(encode_outputs({"a": image})) == {"a": basic}


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        (b"x", "Object of type bytes is not JSON serializable"),
        ([IMAGE, {1}], "Object of type set is not JSON serializable"),
        ({IMAGE: 1}, "keys must be str, int, float, bool or None, not Image"),
    ],
)
def test_what_is_no_json(value: object, problem: str) -> None:
    with pytest.raises(UserError) as caught:
        encode_outputs({"a": value})
    assert f"The output 'a' for flow is incorrect. The output value is not JSON serializable. JSON dump failed: (TypeError) {problem}." in str(caught.value)  # fmt: skip # noqa: E501
