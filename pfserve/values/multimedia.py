"""Images and annotated texts as flow code gets them (contract 3.6, 8.2), and how a response writes them."""

from __future__ import annotations

import hashlib
from binascii import b2a_base64
from collections.abc import Callable
from functools import cached_property
from typing import Any, Self

from pfserve.values.image_type import mime_type_of

BASIC = "basic"
OPENAI_VISION = "openai-vision"
MESSAGE_FORMATS = (BASIC, OPENAI_VISION)
"""How dicts stand for images: a flow's ``message_format``."""


class PFBytes(bytes):
    """Bytes that know their media type, and the address they came from. Never changed once made."""

    _mime_type: str

    def __new__(cls, value: bytes, *_: object, **__: object) -> Self:  # noqa: D102
        return super().__new__(cls, value)

    def __init__(self, value: bytes, mime_type: str, source_url: str | None = None) -> None:
        self._mime_type = mime_type.lower()
        self._source_url = source_url

    @cached_property
    def _hash(self) -> str:
        return hashlib.sha1(self, usedforsecurity=False).hexdigest()[:8]

    @property
    def source_url(self) -> str | None:
        """Where the bytes were fetched; None if they came with the request."""
        return self._source_url

    def to_base64(self, with_type: bool = False) -> str:
        """The bytes as base64 text; ``with_type`` makes it a ``data:`` address."""
        text = b2a_base64(self, newline=False).decode("ascii")
        return f"data:{self._mime_type};base64,{text}" if with_type else text

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        return self  # a request's copy of a default need not copy megabytes that nobody can change


class Image(PFBytes):
    """An image. Its text is ``Image(…)`` with the first eight hex digits of its SHA-1, computed when first asked for.

    Without a ``mime_type`` the bytes tell it.
    """

    def __init__(self, value: bytes, mime_type: str | None = None, source_url: str | None = None) -> None:
        super().__init__(value, mime_type_of(self) if mime_type is None else mime_type, source_url)

    def __str__(self) -> str:
        return f"Image({self._hash})"

    __repr__ = __str__

    def serialize(self, encoder: Callable[[Image], object] | None = None) -> object:
        """What ``encoder`` makes of the image; without one its text."""
        return str(self) if encoder is None else encoder(self)


class Text(str):
    """A text of a message in the openai-vision format, with its annotations if it had any."""

    _annotations: list[object] | None

    def __new__(cls, value: str, annotations: list[object] | None = None) -> Self:  # noqa: D102
        text = super().__new__(cls, value)
        text._annotations = annotations
        return text

    @classmethod
    def deserialize(cls, data: dict[str, Any]) -> Self:
        """The text of ``{"type": "text", "text": …}``, where the inner value is a text or a dict."""
        inner = data.get("text", "")
        if isinstance(inner, dict):
            return cls(inner.get("value", ""), inner.get("annotations", []))
        return cls(inner)

    def serialize(self) -> dict[str, object]:
        """The dict that stands for it in a message."""
        if self._annotations is None:
            return {"type": "text", "text": str(self)}
        return {"type": "text", "text": {"value": str(self), "annotations": self._annotations}}


def image_as_dict(image: PFBytes, message_format: str) -> dict[str, object]:
    """The dict that stands for an image in a response."""
    if message_format == OPENAI_VISION:
        return {"type": "image_url", "image_url": {"url": image.to_base64(with_type=True)}}
    return {f"data:{image._mime_type};base64": image.to_base64()}
