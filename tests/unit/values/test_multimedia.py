from __future__ import annotations

import pytest

from pfserve.values import holds_image

IMAGES = [
    {"data:image/png;base64": "x"},
    {"data:image/jpg;path": "x"},
    {"data:image/*;url": "x"},
    {"type": "image_url", "image_url": {"url": "x"}},
    {"type": "image_file", "image_file": {"path": "x"}},
    [1, {"a": [{"data:image/png;url": "x"}]}],
]
OTHERS = [
    None,
    5,
    "data:image/png;base64",
    {},
    {"data:image/png;base64": "x", "more": 1},
    {"data:text/png;base64": "x"},
    {"type": "image_url"},
    {"type": "image_url", "image_url": {}, "more": 1},
    {"type": "text", "text": "x"},
    {1: 2},
    [["a"], {"b": {"c": 1}}],
]


@pytest.mark.parametrize("value", IMAGES)
def test_images(value: object) -> None:
    assert holds_image(value)


@pytest.mark.parametrize("value", OTHERS)
def test_others(value: object) -> None:
    assert not holds_image(value)
