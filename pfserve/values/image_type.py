"""What kind of image bytes are, by how they begin. No pixel is ever decoded."""

from __future__ import annotations

UNKNOWN = "image/*"

_BEGINNINGS = (
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF", "image/gif"),
    (b"BM", "image/bmp"),
    (b"\0\0\1\0", "image/x-icon"),
    (b"8BPS", "image/vnd.adobe.photoshop"),
    (b"II\xbc", "image/vnd.ms-photo"),
    (b"AC10", "image/vnd.dwg"),
    (b"gimp xcf v", "image/x-xcf"),
)
# Images too, but promptflow has no name for their type.
_NAMELESS = (b"<svg", b"<?xml", b"\xff\x0a", b"\0\0\0\x0cJXL ", b"\0\0\0\x0cjP  ", b"qoif", b"DDS ", b"v/1\1", b"II+\0")

_LONGEST_CHUNK_WALK = 64


def mime_type_of(data: bytes) -> str:
    """The type that promptflow would name; ``image/*`` for everything that it does not know."""
    if data.startswith(b"\x89PNG"):
        return "image/apng" if _is_animated(data) else "image/png"
    for beginning, mime_type in _BEGINNINGS:
        if data.startswith(beginning):
            return mime_type
    if data.startswith((b"II*\0", b"MM\0*")) and len(data) > 9:
        return "image/x-canon-cr2" if data[8:10] == b"CR" else "image/tiff"
    if data.startswith(b"RIFF") and data[8:12] == b"WEBP":
        return "image/webp"
    return _mime_type_of_boxes(data)


def looks_like_image(data: bytes) -> bool:
    """Whether the bytes begin as an image of some kind does."""
    return data.startswith(_NAMELESS) or mime_type_of(data) != UNKNOWN


def _is_animated(data: bytes) -> bool:
    """Whether the chunk of an animation comes before the pixels."""
    place = 8
    for _ in range(_LONGEST_CHUNK_WALK):
        kind = data[place + 4 : place + 8]
        if kind == b"acTL":
            return True
        if kind in (b"IDAT", b""):
            return False
        place += 12 + int.from_bytes(data[place : place + 4])
    return False


def _mime_type_of_boxes(data: bytes) -> str:
    """The formats in ISO boxes: the first one, ``ftyp``, names a brand and those it is compatible with."""
    if data[4:8] == b"jP  " and data[16:24] == b"ftypjp2 ":
        return "image/jpx"
    if data[4:8] != b"ftyp":
        return UNKNOWN
    brand, end = data[8:12], min(int.from_bytes(data[:4]), 256)
    compatible = {data[place : place + 4] for place in range(16, end, 4)}
    for name, mime_type in ((b"heic", "image/heic"), (b"avif", "image/avif")):
        if brand == name or (brand in (b"mif1", b"msf1") and name in compatible):
            return mime_type
    return UNKNOWN
