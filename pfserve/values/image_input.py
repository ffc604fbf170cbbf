"""How inputs and literals stand for images, and how they become :class:`Image` values (contract 3.6).

Nothing here touches the network: an image to be fetched becomes an :class:`ImageUrl` in a :class:`Pending` value, and
whoever runs the flow fills it in. Files are read only below a folder that is given, which no request has: a client that
names a path is refused (contract 10.1, row 1).
"""

from __future__ import annotations

import os
import re
from binascii import Error as Base64Error
from binascii import a2b_base64
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple, TypeAlias
from urllib.parse import urlsplit

import msgspec

from pfserve.errors import UserError
from pfserve.values.image_type import looks_like_image
from pfserve.values.multimedia import BASIC, Image, Text

ReadImages: TypeAlias = Callable[[object], object]
Holder: TypeAlias = list[object] | dict[object, object]

TYPES_WITH_IMAGES = ("image", "list", "object")

_LONGEST_URL = 8192
_LONGEST_KEY = 200
_LONGEST_SHOWN = 200
_BASIC_KEY = re.compile(r"data:(image/[^;]*);(base64|url|path)")
_PROMPTY_TEXT = re.compile(r"(data:image/[^;\n]{0,100};(?:base64|url|path)):\s*(.*)\Z")
_DATA_URL = re.compile(r"data:image/[^;,]{0,100};base64,")
_WRONG_DICT = (
    "Invalid image input format. The image input should be a dictionary like: "
    "{data:image/<image_type>;[path|base64|url]: <image_data>}."
)
_NO_PATHS = "It is neither a URL nor an image as base64, and requests may not name local files."


class ImageProblem(Exception):
    """An image that cannot be had. The text names the kind of problem in parentheses, as promptflow does."""

    def __init__(self, message: str, kind: str = "InvalidImageInput") -> None:
        super().__init__(f"({kind}) {message}")


def image_failure(input_name: str, problem: ImageProblem) -> UserError:
    """The answer to a request whose input ``input_name`` holds the image."""
    return UserError(f"Failed to load image for input '{input_name}': {problem}")


class ImageUrl(msgspec.Struct, frozen=True):
    """An image that has to be fetched. ``mime_type`` None: its bytes will tell."""

    url: str
    mime_type: str | None = None

    def problem(self, detail: str = "") -> ImageProblem:
        """The error for an image that cannot be fetched, or must not be; ``detail`` starts with a blank."""
        return ImageProblem(f"Failed to fetch image from URL: {shortened(self.url)}.{detail}")

    def image(self, data: bytes) -> Image:
        """The image that was fetched."""
        return Image(data, self.mime_type, self.url)


class Hole(NamedTuple):
    """Where an image is missing: the list or dict, the place in it, and which image."""

    holder: Holder
    place: object
    wanted: ImageUrl

    def fill(self, data: bytes) -> None:
        """Put the fetched image in its place."""
        self.holder[self.place] = self.wanted.image(data)  # type: ignore[call-overload]


class Pending:
    """A value that lacks images.

    ``whole`` is a list of one, so that the value itself can be the missing image.
    """

    __slots__ = ("holes", "input_name", "whole")

    def __init__(self, whole: list[object], holes: list[Hole], input_name: str) -> None:
        self.whole = whole
        self.holes = holes
        self.input_name = input_name

    @property
    def value(self) -> object:
        """The value; complete once every hole is filled."""
        return self.whole[0]

    def __repr__(self) -> str:
        return repr(self.value)


def images_reader(
    type_name: str, input_name: str, message_format: str, folder: Path | None = None
) -> ReadImages | None:
    """A function that puts images in the place of what stands for them in a converted value.

    It changes lists and dicts in place, gives a :class:`Pending` where an image must be fetched, and raises
    :class:`UserError` where one cannot be read. None for types that hold no images.

    Args:
        type_name: ``image``: the value stands for an image, or is a list of such; ``list`` or ``object``: search it.
        input_name: for messages.
        message_format: which dicts stand for images.
        folder: where files may be read; None for the values of requests, which may name none.
    """
    if type_name not in TYPES_WITH_IMAGES:
        return None
    forms = BasicForms(folder) if message_format == BASIC else VisionForms(folder)
    replace = _replace_whole if type_name == "image" else _replace_within

    def read(value: object) -> object:
        whole, holes = [value], list[Hole]()
        try:
            replace(whole, forms, holes)
        except ImageProblem as problem:
            raise image_failure(input_name, problem) from None
        return Pending(whole, holes, input_name) if holes else whole[0]

    return read


def prompty_images_reader(input_name: str, folder: Path | None = None, *, anywhere: bool = False) -> ReadImages:
    """A function that puts an image in the place of a text ``data:image/png;base64: …``, or ``url`` or ``path``.

    That is the only form that stands for an image in an input of a prompty, whatever its type (contract 4.2).
    ``anywhere``: files outside of ``folder`` may be read too, for what the author of the prompty wrote. Otherwise as
    what :func:`images_reader` gives.
    """
    forms = BasicForms(folder, anywhere=anywhere)

    def read(value: object) -> object:
        form = _PROMPTY_TEXT.match(value) if isinstance(value, str) and value.startswith("data:image/") else None
        if form is None:
            return value
        whole: list[object] = [value]
        holes: list[Hole] = []
        try:
            _put(whole, 0, forms.read({form[1]: form[2]}), holes)
        except ImageProblem as problem:
            raise image_failure(input_name, problem) from None
        return Pending(whole, holes, input_name) if holes else whole[0]

    return read


def _replace_whole(whole: list[object], forms: Forms, holes: list[Hole]) -> None:
    """The value of an ``image`` input: one image, or a list of images."""
    images = whole[0] if isinstance(whole[0], list) else whole
    for index, value in enumerate(images):
        _put(images, index, forms.read(value), holes)


def _replace_within(whole: list[object], forms: Forms, holes: list[Hole]) -> None:
    """The images at any depth of a value. Without recursion, however deep it is."""
    if not isinstance(whole[0], list | dict):
        return
    unread: list[Holder] = [whole]
    while unread:
        holder = unread.pop()
        for place, value in holder.items() if isinstance(holder, dict) else enumerate(holder):
            if isinstance(value, str):  # most are
                continue
            if isinstance(value, dict):
                found = forms.read_dict(value)
                if found is None:
                    unread.append(value)
                else:
                    _put(holder, place, found, holes)
            elif isinstance(value, list):
                unread.append(value)


def _put(holder: Holder, place: object, found: object, holes: list[Hole]) -> None:
    holder[place] = found  # type: ignore[call-overload]
    if isinstance(found, ImageUrl):
        holes.append(Hole(holder, place, found))


class Forms:
    """What stands for an image, whatever the format: texts. The formats add their dicts."""

    def __init__(self, folder: Path | None, *, anywhere: bool = False) -> None:
        self._folder = folder
        self._anywhere = anywhere

    def read_dict(self, value: dict[object, object]) -> object | None:
        """What the dict stands for; None if it is just a dict.

        Raises:
            ImageProblem: it stands for an image that cannot be read.
        """
        raise NotImplementedError

    def read(self, value: object) -> Image | ImageUrl:
        """The image that the value of an ``image`` input stands for.

        Raises:
            ImageProblem: it stands for none, or for one that cannot be read.
        """
        if isinstance(value, Image):
            return value
        if isinstance(value, dict):
            found = self.read_dict(value)
            if isinstance(found, Image | ImageUrl):
                return found
            raise ImageProblem(_WRONG_DICT)
        if not isinstance(value, str):
            unsupported = f"Unsupported image input type: {type(value)}."
            raise ImageProblem(f"{unsupported} The image inputs should be a string or a dictionary.")
        if not value:
            raise ImageProblem("The image input should not be empty.")
        found = _from_url_or_base64(value)
        return self._from_path(value) if found is None else found

    def _from_path(self, given: object, mime_type: str | None = None) -> Image:
        if self._folder is None:
            raise ImageProblem(f"Invalid image input: {shortened(given)}. {_NO_PATHS}")
        path = Path(os.path.normpath(self._folder / str(given)))
        if not self._anywhere and not path.is_relative_to(os.path.normpath(self._folder)):
            raise ImageProblem(f"The file '{given}' does not lie in the folder of the flow.")
        try:
            return Image(path.read_bytes(), mime_type)
        except OSError as problem:
            shown = OSError(problem.errno, problem.strerror, str(given))  # by the name that the author gave it
            raise ImageProblem(str(shown), type(shown).__name__) from None


class BasicForms(Forms):
    """``{"data:image/png;base64": …}``, and the same with ``url`` and ``path``."""

    def read_dict(self, value: dict[object, object]) -> Image | ImageUrl | None:
        """What the dict stands for; None if it is just a dict."""
        if len(value) != 1:
            return None
        [(key, data)] = value.items()
        if not isinstance(key, str) or not key.startswith("data:image/") or len(key) > _LONGEST_KEY:
            return None
        if (form := _BASIC_KEY.fullmatch(key)) is None:
            return None
        mime_type, source = form.groups()
        if source == "base64":
            return _from_base64(data, mime_type)
        if source == "path":
            return self._from_path(data, mime_type)
        if is_url(data):
            return ImageUrl(str(data), mime_type)
        raise ImageUrl(shortened(data)).problem()


class VisionForms(Forms):
    """``{"type": "image_url", "image_url": {"url": …}}``, ``image_file`` with a ``path``, and ``text``."""

    def read_dict(self, value: dict[object, object]) -> Image | ImageUrl | Text | None:
        """What the dict stands for; None if it is just a dict."""
        if len(value) != 2 or not isinstance(kind := value.get("type"), str):
            return None
        inner = value.get(kind)
        if kind == "text":
            return _annotated_text(inner)
        if not isinstance(inner, dict):
            return None
        if kind == "image_file" and "path" in inner:
            return self._from_path(inner["path"])
        if kind == "image_url" and "url" in inner:
            return self._from_url(inner["url"])
        return None

    def _from_url(self, url: object) -> Image | ImageUrl:
        found = _from_url_or_base64(url) if isinstance(url, str) else None
        if found is None:
            raise ImageProblem(f"Invalid image url: {shortened(url)}. Should be a valid url or base64 string.")
        return found


def _annotated_text(inner: object) -> Text | None:
    if isinstance(inner, str):
        return Text(inner)
    if isinstance(inner, dict) and isinstance(text := inner.get("value"), str):
        return Text(text, inner.get("annotations", []))
    return None


def is_url(value: object) -> bool:
    """Whether the value names a scheme and a host."""
    if not isinstance(value, str) or len(value) > _LONGEST_URL or "://" not in value:
        return False
    try:
        parts = urlsplit(value)
    except ValueError:  # such as brackets around no IPv6 address
        return True  # so that it is refused as a URL
    return bool(parts.scheme and parts.netloc)


def _from_url_or_base64(text: str) -> Image | ImageUrl | None:
    """The image that a text stands for; None if it stands for none.

    Base64 that does not say so has to begin like an image: many a plain word is valid base64.
    """
    prefix = _DATA_URL.match(text)
    try:
        if prefix is not None:
            return Image(_decoded(text[prefix.end() :]))
        if is_url(text):
            return ImageUrl(text)
        data = _decoded(text)
    except Base64Error:
        return None
    return Image(data) if looks_like_image(data) else None


def _from_base64(text: object, mime_type: str) -> Image:
    if isinstance(text, str):
        prefix = _DATA_URL.match(text)
        try:
            return Image(_decoded(text if prefix is None else text[prefix.end() :]), mime_type)
        except Base64Error:
            pass
    raise ImageProblem(f"Invalid base64 image: {shortened(text)}.")


def _decoded(text: str) -> bytes:
    """Base64 to bytes, strictly: promptflow lets nothing pass but a line end at the end."""
    if text.endswith("\n"):
        text = text[:-1]
    if len(text) % 4 or text.endswith("==="):  # which Python's strict mode lets pass
        raise Base64Error
    try:
        return a2b_base64(text, strict_mode=True)
    except Base64Error:
        raise
    except ValueError as problem:  # not ASCII
        raise Base64Error from problem


def shortened(value: object) -> str:
    """The value as a message shows it."""
    text = value if isinstance(value, str) else repr(value)
    return text if len(text) <= _LONGEST_SHOWN else text[:_LONGEST_SHOWN] + "…"
