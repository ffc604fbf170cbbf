"""What kind of image bytes are: what promptflow 1.18.5 says about the same bytes."""

from __future__ import annotations

import struct

import pytest

from pfserve.values.image_type import looks_like_image, mime_type_of

NOTHING = b"\0" * 20
PNG = b"\x89PNG\r\n\x1a\n"


def chunk(kind: bytes, size: int) -> bytes:
    return struct.pack(">I", size) + kind + b"\0" * (size + 4)


TYPES = {
    "png": (PNG + chunk(b"IHDR", 13) + chunk(b"IDAT", 5) + chunk(b"acTL", 8), "image/png"),
    "animated png": (PNG + chunk(b"IHDR", 13) + chunk(b"acTL", 8) + chunk(b"IDAT", 5), "image/apng"),
    "png, four bytes of it": (PNG[:4], "image/png"),
    "png without end": (PNG + chunk(b"IHDR", 0) * 1000, "image/png"),
    "jpeg": (b"\xff\xd8\xff\xe0\0\x10JFIF" + NOTHING, "image/jpeg"),
    "gif": (b"GIF89a" + NOTHING, "image/gif"),
    "webp": (b"RIFF\x24\0\0\0WEBPVP8 " + NOTHING, "image/webp"),
    "bmp": (b"BM" + NOTHING, "image/bmp"),
    "tiff, little end first": (b"II*\0" + NOTHING, "image/tiff"),
    "tiff, big end first": (b"MM\0*" + NOTHING, "image/tiff"),
    "canon raw": (b"II*\0\x10\0\0\0CR" + NOTHING, "image/x-canon-cr2"),
    "icon": (b"\0\0\1\0" + NOTHING, "image/x-icon"),
    "photoshop": (b"8BPS" + NOTHING, "image/vnd.adobe.photoshop"),
    "jpeg xr": (b"II\xbc" + NOTHING, "image/vnd.ms-photo"),
    "autocad": (b"AC10" + NOTHING, "image/vnd.dwg"),
    "gimp": (b"gimp xcf v001" + NOTHING, "image/x-xcf"),
    "avif": (b"\0\0\0\x1cftypavif\0\0\0\0avifmif1" + NOTHING, "image/avif"),
    "avif by compatibility": (b"\0\0\0\x1cftypmif1\0\0\0\0mif1avif" + NOTHING, "image/avif"),
    "heic": (b"\0\0\0\x18ftypheic\0\0\0\0heic" + NOTHING, "image/heic"),
    "heic by compatibility": (b"\0\0\0\x18ftypmif1\0\0\0\0mif1heic" + NOTHING, "image/heic"),
    "jpeg 2000": (b"\0\0\0\x0cjP  \r\n\x87\n\0\0\0\x14ftypjp2 " + NOTHING, "image/jpx"),
    "film": (b"\0\0\0\x18ftypmp42" + NOTHING, "image/*"),
    "sound": (b"RIFF\x24\0\0\0WAVE" + NOTHING, "image/*"),
    "svg": (b"<svg/>", "image/*"),
    "pdf": (b"%PDF-1.4", "image/*"),
    "text": (b"hello world", "image/*"),
    "nothing": (b"", "image/*"),
}


@pytest.mark.parametrize("name", TYPES)
def test_type(name: str) -> None:
    data, mime_type = TYPES[name]
    assert mime_type_of(data) == mime_type


@pytest.mark.parametrize("name", ["png", "jpeg", "webp", "svg"])
def test_images_look_like_images(name: str) -> None:
    assert looks_like_image(TYPES[name][0])


@pytest.mark.parametrize("name", ["film", "sound", "pdf", "text", "nothing"])
def test_other_bytes_do_not(name: str) -> None:
    assert not looks_like_image(TYPES[name][0])
