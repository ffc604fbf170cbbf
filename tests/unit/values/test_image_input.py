"""What stands for an image in an input, in both formats, and what does not: the table of the contract, section 3.6."""

from __future__ import annotations

import copy
import json
from base64 import b64encode
from pathlib import Path

import pytest

from pfserve.errors import UserError
from pfserve.values import Image, Pending, Text, images_reader

DATA = b"\x89PNG\r\n\x1a\n" + b"\0" * 22
B = b64encode(DATA).decode()
GIF_URL = f"data:image/gif;base64,{B}"
FORMATS = ("basic", "openai-vision")
FAILED = "Failed to load image for input 'a': "
WRONG_DICT = (
    "(InvalidImageInput) Invalid image input format. The image input should be a dictionary like: "
    "{data:image/<image_type>;[path|base64|url]: <image_data>}."
)


def read(kind: str, message_format: str, value: object, folder: Path | None = None) -> object:
    reader = images_reader(kind, "a", message_format, folder)
    assert reader is not None
    return reader(copy.deepcopy(value))


def failure(kind: str, message_format: str, value: object, folder: Path | None = None) -> str:
    with pytest.raises(UserError) as caught:
        read(kind, message_format, value, folder)
    assert caught.value.status == 400
    message = caught.value.message
    assert message.startswith(FAILED)
    return message.removeprefix(FAILED)


def seen(value: object) -> object:
    """Images by type and data, so that a bytes object does not pass for one."""
    if isinstance(value, Image):
        assert value == DATA or not value
        return f"<{value._mime_type}{'' if value else ' empty'}>"
    if isinstance(value, Text):
        return f"Text:{value}"
    if isinstance(value, dict):
        return {key: seen(item) for key, item in value.items()}
    return [seen(item) for item in value] if isinstance(value, list) else value


IMAGES = [  # of an input of type image, in both formats
    (B, "<image/png>"),
    (B + "\n", "<image/png>"),
    (f"data:image/png;base64,{B}", "<image/png>"),
    (f"data:image/JPEG;base64,{B}", "<image/png>"),  # its bytes tell the type
    (f"data:image/svg+xml;base64,{B}", "<image/png>"),
    ("data:image/png;base64,", "<image/* empty>"),
    ([], []),
    ([B], ["<image/png>"]),
]
BASIC = [
    ({"data:image/png;base64": B}, "<image/png>"),
    ({"data:image/jpg;base64": B}, "<image/jpg>"),
    ({"data:image/PNG;base64": B}, "<image/png>"),
    ({"data:image/*;base64": B}, "<image/*>"),
    ({"data:image/;base64": B}, "<image/>"),
    ({"data:image/svg+xml;base64": B}, "<image/svg+xml>"),
    ({"data:image/png;base64": GIF_URL}, "<image/png>"),
    ({"data:image/png;base64": ""}, "<image/png empty>"),
]
VISION = [
    ({"type": "image_url", "image_url": {"url": B}}, "<image/png>"),
    ({"type": "image_url", "image_url": {"url": GIF_URL}}, "<image/png>"),
    ({"type": "image_url", "image_url": {"url": B, "detail": "low"}}, "<image/png>"),
]
TEXTS = [
    ({"type": "text", "text": "hello"}, "Text:hello"),
    ({"type": "text", "text": {"value": "v", "annotations": [1]}}, "Text:v"),
    ({"type": "text", "text": {"value": "v"}}, "Text:v"),
]
NEITHER = [
    {},
    {"a": 1},
    {1: B},
    {"data:image/png": B},
    {"data:image/png;other": B},
    {"data:text/png;base64": B},
    {"data:image/" + "x" * 300 + ";base64": B},
    {"data:image/png;base64": B, "x": 1},
    {"type": "image_url"},
    {"type": "image_url", "image_url": {}},
    {"type": "image_url", "image_url": B},
    {"type": "image_url", "image_url": None},
    {"type": "image_url", "image_url": {"url": B}, "x": 1},
    {"type": "image_file", "image_file": {}},
    {"type": "image_file", "image_url": {"url": B}},
    {"type": "text", "text": 5},
    {"type": "text", "text": None},
    {"type": "text", "text": {"annotations": [1]}},
    {"type": "text", "text": "a", "x": 1},
    {"type": ["text"], "text": "a"},
    {"type": "other", "other": 1},
]


@pytest.mark.parametrize("message_format", FORMATS)
@pytest.mark.parametrize(("value", "expected"), IMAGES)
def test_texts_that_are_images(message_format: str, value: object, expected: object) -> None:
    assert seen(read("image", message_format, value)) == expected


@pytest.mark.parametrize("kind", ["image", "object"])
@pytest.mark.parametrize(("value", "expected"), BASIC)
def test_dicts_of_the_basic_format(kind: str, value: object, expected: object) -> None:
    assert seen(read(kind, "basic", value)) == expected
    assert failure("image", "openai-vision", value) == WRONG_DICT
    assert read("object", "openai-vision", value) == value


@pytest.mark.parametrize("kind", ["image", "object"])
@pytest.mark.parametrize(("value", "expected"), VISION)
def test_dicts_of_the_vision_format(kind: str, value: object, expected: object) -> None:
    assert seen(read(kind, "openai-vision", value)) == expected
    assert failure("image", "basic", value) == WRONG_DICT
    assert read("object", "basic", value) == value


@pytest.mark.parametrize(("value", "expected"), TEXTS)
def test_texts_of_the_vision_format(value: object, expected: object) -> None:
    assert seen(read("object", "openai-vision", value)) == expected
    assert read("object", "basic", value) == value
    for message_format in FORMATS:
        assert failure("image", message_format, value) == WRONG_DICT


@pytest.mark.parametrize("message_format", FORMATS)
@pytest.mark.parametrize("value", NEITHER)
def test_dicts_that_are_just_dicts(message_format: str, value: object) -> None:
    assert read("object", message_format, value) == value
    assert failure("image", message_format, value) == WRONG_DICT


@pytest.mark.parametrize("kind", ["list", "object"])
def test_images_at_any_depth(kind: str) -> None:
    value = ["text", B, {"x": [{"data:image/png;base64": B}], "y": None}, [[{"data:image/gif;base64": B}]]]
    assert seen(read(kind, "basic", value)) == ["text", B, {"x": ["<image/png>"], "y": None}, [["<image/gif>"]]]


def test_what_is_just_a_dict_is_searched_too() -> None:
    value = {"type": "text", "text": {"value": {"type": "text", "text": "x"}}}
    assert seen(read("object", "openai-vision", value)) == {"type": "text", "text": {"value": "Text:x"}}


def test_no_depth_is_too_deep() -> None:
    deep: object = {"data:image/png;base64": B}
    for _ in range(50_000):
        deep = [deep]
    reader = images_reader("object", "a", "basic")
    assert reader is not None
    found = reader(deep)
    while isinstance(found, list):
        [found] = found
    assert isinstance(found, Image)


@pytest.mark.parametrize("kind", ["string", "int", "secret"])
def test_other_types_hold_none(kind: str) -> None:
    assert images_reader(kind, "a", "basic") is None


def test_an_image_stays_one() -> None:
    image = Image(DATA)
    assert read("image", "basic", image) is image


def unsupported(kind: str) -> str:
    return (
        f"(InvalidImageInput) Unsupported image input type: <class '{kind}'>. "
        "The image inputs should be a string or a dictionary."
    )


@pytest.mark.parametrize("message_format", FORMATS)
@pytest.mark.parametrize(
    ("value", "message"),
    [
        (None, unsupported("NoneType")),
        (5, unsupported("int")),
        (True, unsupported("bool")),
        (1.5, unsupported("float")),
        ([1], unsupported("int")),
        ([[B]], unsupported("list")),
        ("", "(InvalidImageInput) The image input should not be empty."),
        ({"x": {"data:image/png;base64": B}}, WRONG_DICT),
    ],
)
def test_what_is_no_image(message_format: str, value: object, message: str) -> None:
    assert failure("image", message_format, value) == message


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"data:image/png;base64": "@@"}, "Invalid base64 image: @@."),
        ({"data:image/png;base64": "é"}, "Invalid base64 image: é."),
        ({"data:image/png;base64": "AAAA===="}, "Invalid base64 image: AAAA====."),
        ({"data:image/png;base64": "@" * 5000}, "Invalid base64 image: " + "@" * 200 + "…."),
        ({"data:image/png;base64": 5}, "Invalid base64 image: 5."),
        ({"data:image/png;base64": None}, "Invalid base64 image: None."),
        ({"data:image/png;url": "x"}, "Failed to fetch image from URL: x."),
        ({"data:image/png;url": B}, f"Failed to fetch image from URL: {B}."),
        ({"data:image/png;url": None}, "Failed to fetch image from URL: None."),
    ],
)
def test_basic_dicts_of_what_is_no_image(value: object, message: str) -> None:
    for kind in ("image", "object"):
        assert failure(kind, "basic", value) == f"(InvalidImageInput) {message}"


@pytest.mark.parametrize("url", ["x", "", "logo", 5, None, "data:image/png;base64,@@"])
def test_vision_dicts_of_what_is_no_image(url: object) -> None:
    value = {"type": "image_url", "image_url": {"url": url}}
    message = f"(InvalidImageInput) Invalid image url: {url}. Should be a valid url or base64 string."
    for kind in ("image", "object"):
        assert failure(kind, "openai-vision", value) == message


PATHS = ["/etc/hostname", "logo.png", "logo", "../x", " ", "file:///etc/hostname", "//host/x", "http:/x", "http://"]
NO_BASE64 = [
    B[:-1],
    B[:-4] + "=",
    B[:10] + "\n" + B[10:],
    "aGVsbG8=",
    "data:text/plain;base64," + B,
    "data:image/png," + B,
]


@pytest.mark.parametrize("message_format", FORMATS)
@pytest.mark.parametrize("value", PATHS + NO_BASE64)
def test_requests_name_no_files(message_format: str, value: str) -> None:
    message = f"(InvalidImageInput) Invalid image input: {value}. "
    refused = "It is neither a URL nor an image as base64, and requests may not name local files."
    assert failure("image", message_format, value) == message + refused


def test_requests_name_no_files_in_dicts(tmp_path: Path) -> None:
    (tmp_path / "x.png").write_bytes(DATA)
    path = str(tmp_path / "x.png")
    for kind in ("image", "object"):
        assert "requests may not name local files" in failure(kind, "basic", {"data:image/png;path": path})
        vision = {"type": "image_file", "image_file": {"path": path}}
        assert "requests may not name local files" in failure(kind, "openai-vision", vision)


class TestFilesOfTheAuthor:
    """In YAML, paths are relative to the flow's folder and stay below it."""

    @pytest.fixture
    def folder(self, tmp_path: Path) -> Path:
        (tmp_path / "outside.png").write_bytes(DATA)
        (tmp_path / "flow" / "sub").mkdir(parents=True)
        (tmp_path / "flow" / "logo").write_bytes(DATA)
        (tmp_path / "flow" / "sub" / "in.png").write_bytes(DATA)
        return tmp_path / "flow"

    @pytest.mark.parametrize("path", ["logo", "./logo", "sub/in.png", "sub/../logo"])
    def test_read(self, folder: Path, path: str) -> None:
        assert seen(read("image", "basic", path, folder)) == "<image/png>"
        assert seen(read("image", "basic", str(folder / path), folder)) == "<image/png>"
        assert seen(read("object", "basic", [{"data:image/jpg;path": path}], folder)) == ["<image/jpg>"]
        vision = {"type": "image_file", "image_file": {"path": path}}
        assert seen(read("image", "openai-vision", vision, folder)) == "<image/png>"

    def test_a_folder_with_dots(self, folder: Path) -> None:
        assert seen(read("image", "basic", "logo", folder / "sub" / "..")) == "<image/png>"

    @pytest.mark.parametrize("path", ["../outside.png", "/etc/hostname", "sub/../../outside.png"])
    def test_outside(self, folder: Path, path: str) -> None:
        message = f"(InvalidImageInput) The file '{path}' does not lie in the folder of the flow."
        assert failure("image", "basic", path, folder) == message

    def test_missing(self, folder: Path) -> None:
        missing = "(FileNotFoundError) [Errno 2] No such file or directory: 'nope.png'"
        assert failure("image", "basic", "nope.png", folder) == missing
        assert failure("list", "basic", [{"data:image/png;path": "sub"}], folder).startswith("(IsADirectoryError)")


class TestUrls:
    """What has to be fetched is left open."""

    @pytest.mark.parametrize("message_format", FORMATS)
    @pytest.mark.parametrize("url", ["http://h/x.png", "HTTPS://h", "ftp://h/x", " http://h/x", "http://[::1/x"])
    def test_of_an_image_input(self, message_format: str, url: str) -> None:
        pending = read("image", message_format, url)
        assert isinstance(pending, Pending)
        [hole] = pending.holes
        assert hole.wanted.url == url
        hole.fill(DATA)
        assert seen(pending.value) == "<image/png>"
        assert isinstance(pending.value, Image)
        assert pending.value.source_url == url

    def test_within(self) -> None:
        url = {"data:image/jpg;url": "http://h/x"}
        pending = read("object", "basic", {"a": [url, {"data:image/png;base64": B}], "b": url})
        assert isinstance(pending, Pending)
        for hole in pending.holes:
            hole.fill(DATA)
        assert seen(pending.value) == {"a": ["<image/jpg>", "<image/png>"], "b": "<image/jpg>"}

    def test_its_text_is_that_of_its_value(self) -> None:
        assert repr(read("image", "basic", "http://h/x")) == "ImageUrl(url='http://h/x', mime_type=None)"

    def test_of_vision(self) -> None:
        pending = read("list", "openai-vision", [{"type": "image_url", "image_url": {"url": "http://h/x"}}])
        assert isinstance(pending, Pending)
        pending.holes[0].fill(DATA)
        assert seen(pending.value) == ["<image/png>"]

    def test_a_copy_has_holes_of_its_own(self) -> None:
        pending = read("list", "basic", [{"data:image/jpg;url": "http://h/x"}])
        twin = copy.deepcopy(pending)
        assert isinstance(twin, Pending)
        twin.holes[0].fill(DATA)
        assert seen(twin.value) == ["<image/jpg>"]
        assert isinstance(pending, Pending)
        assert not isinstance(pending.value[0], Image)  # type: ignore[index]

    def test_megabytes_are_no_url(self) -> None:
        assert "requests may not name local files" in failure("image", "basic", "http://h/" + "x" * 10_000)


def test_the_value_of_a_request_may_be_json_text() -> None:
    from pfserve.values import converter

    value = converter("list", "a")(json.dumps([{"data:image/png;base64": B}]))
    assert seen(read("list", "basic", value)) == ["<image/png>"]
