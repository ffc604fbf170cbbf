"""The dicts that stand for images inside lists and objects (contract 3.6). So far they are only recognised."""

from __future__ import annotations

import re

_BASIC_KEY = re.compile(r"data:image/[^;]*;(base64|url|path)")
_VISION_TYPES = ("image_url", "image_file")


def holds_image(value: object) -> bool:
    """Whether a value read from YAML or JSON is an image, or holds one at any depth."""
    if isinstance(value, list):
        return any(holds_image(item) for item in value)
    if isinstance(value, dict):
        return _is_image(value) or any(holds_image(item) for item in value.values())
    return False


def _is_image(value: dict[object, object]) -> bool:
    if len(value) == 1:
        [key] = value
        return isinstance(key, str) and _BASIC_KEY.fullmatch(key) is not None
    kind = value.get("type")
    return len(value) == 2 and kind in _VISION_TYPES and kind in value
