import struct

from promptflow.contracts.multimedia import Image
from promptflow.core import tool

SIGNATURE = b"\x89PNG\r\n\x1a\n"
LARGEST = 4096


@tool
def measure(picture: Image) -> dict:
    if not picture.startswith(SIGNATURE):
        raise ValueError("the picture is no PNG")
    width, height = struct.unpack(">II", picture[16:24])
    if not (0 < width <= LARGEST and 0 < height <= LARGEST):
        raise ValueError(f"the picture has {width} x {height} points; at most {LARGEST} x {LARGEST} are allowed")
    return {"width": width, "height": height}
