"""Embeddings without a model: texts that share words get vectors that point the same way."""

from __future__ import annotations

import base64
import math
import re
from array import array
from zlib import crc32

DIMENSIONS = 1536

_WORD = re.compile(r"\w+")


def embed(text: str, dimensions: int, seed: int) -> list[float]:
    """A vector of length 1. Each word of the text adds or takes away one at a place that depends on the word."""
    vector = [0.0] * dimensions
    for word in _WORD.findall(text.lower()) or [""]:
        place = crc32(word.encode("utf-8", "surrogatepass"), seed & 0xFFFFFFFF)
        vector[(place >> 1) % dimensions] += 1.0 if place & 1 else -1.0
    length = math.sqrt(sum(part * part for part in vector))
    if not length:  # two words cancelled each other out
        return [1.0, *vector[1:]]
    return [part / length for part in vector]


def packed(vector: list[float]) -> str:
    """The vector as the base64 text of 32-bit floats, which OpenAI's clients ask for."""
    return base64.b64encode(array("f", vector).tobytes()).decode()
