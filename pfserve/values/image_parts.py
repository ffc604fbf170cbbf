"""Images in the variables of a prompt, and the parts of messages that they become (contract 3.7)."""

from __future__ import annotations

from collections.abc import Mapping

from pfserve.values.multimedia import Image

Part = dict[str, object]


def images_in(variables: Mapping[str, object]) -> list[Image]:
    """Every image among the values, at any depth of lists and dicts."""
    found: list[Image] = []
    unread = list(variables.values())
    while unread:
        value = unread.pop()
        if isinstance(value, Image):
            found.append(value)
        elif isinstance(value, list):
            unread += value
        elif isinstance(value, dict):
            unread += value.values()
    return found


def part_of(image: Image, detail: str) -> Part:
    """The part of a message that shows the image."""
    address = image.source_url or image.to_base64(with_type=True)
    return {"type": "image_url", "image_url": {"url": address, "detail": detail}}
