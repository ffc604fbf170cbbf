"""The classes that flow code gets: their texts, encodings and copies, as promptflow 1.18.5 has them."""

from __future__ import annotations

import copy
import json
import pickle

import pytest

from pfserve.values import Image, PFBytes, Text, image_as_dict

DATA = b"\x89PNG\r\n\x1a\n"
BASE64 = "iVBORw0KGgo="


def test_an_image_is_bytes_with_a_text_of_its_own() -> None:
    image = Image(DATA, "IMAGE/Png", "http://x")
    assert image == DATA
    assert hash(image) == hash(DATA)
    assert str(image) == repr(image) == f"{image}" == "Image(4caece53)"
    assert image.source_url == "http://x"
    assert type(image[:3]) is bytes
    assert image._mime_type == "image/png"
    assert image._hash == "4caece53"


@pytest.mark.parametrize(("data", "mime_type"), [(DATA, "image/png"), (b"x", "image/*"), (b"", "image/*")])
def test_bytes_tell_the_type(data: bytes, mime_type: str) -> None:
    image = Image(data)
    assert image._mime_type == mime_type
    assert image.source_url is None


def test_base64() -> None:
    assert Image(DATA).to_base64() == BASE64
    assert Image(DATA).to_base64(with_type=True) == f"data:image/png;base64,{BASE64}"
    assert PFBytes(b"x", "audio/wav").to_base64(True) == "data:audio/wav;base64,eA=="


def test_serialize() -> None:
    assert Image(DATA).serialize() == "Image(4caece53)"
    assert Image(DATA).serialize(lambda image: image.to_base64()) == BASE64
    assert Image(DATA).serialize(encoder=type) is Image


def test_other_bytes_keep_their_text() -> None:
    assert str(PFBytes(b"x", "audio/wav")) == "b'x'"


def test_bytes_like_values_make_images() -> None:
    assert Image(bytearray(DATA))._mime_type == "image/png"
    assert bytes(Image(memoryview(b"x"))) == b"x"


def test_copies() -> None:
    image = Image(DATA, "image/jpg", "http://x")
    assert copy.copy(image) is image
    assert copy.deepcopy([image])[0] is image
    there_and_back = pickle.loads(pickle.dumps(image))
    assert type(there_and_back) is Image
    assert there_and_back == DATA
    assert there_and_back.to_base64(True) == image.to_base64(True)


def test_text() -> None:
    text = Text("a", [1])
    assert text == "a"
    assert json.dumps(text) == '"a"'
    assert text.serialize() == {"type": "text", "text": {"value": "a", "annotations": [1]}}
    assert Text("a").serialize() == {"type": "text", "text": "a"}


@pytest.mark.parametrize(
    ("data", "value", "annotations"),
    [
        ({"type": "text", "text": "a"}, "a", None),
        ({"type": "text", "text": {"value": "a", "annotations": [1]}}, "a", [1]),
        ({"type": "text", "text": {"value": "a"}}, "a", []),
        ({}, "", None),
    ],
)
def test_text_from_a_dict(data: dict[str, object], value: str, annotations: object) -> None:
    text = Text.deserialize(data)
    assert type(text) is Text
    assert (text, text._annotations) == (value, annotations)


def test_as_a_response_has_it() -> None:
    assert image_as_dict(Image(DATA), "basic") == {"data:image/png;base64": BASE64}
    assert image_as_dict(Image(DATA, "image/jpg", "http://x"), "openai-vision") == {
        "type": "image_url",
        "image_url": {"url": f"data:image/jpg;base64,{BASE64}"},
    }
