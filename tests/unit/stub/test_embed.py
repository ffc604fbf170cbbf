from __future__ import annotations

import base64
import math
from array import array

import pytest

from pfserve.stub.embed import embed, packed


def likeness(one: str, other: str) -> float:
    return sum(a * b for a, b in zip(embed(one, 1536, 0), embed(other, 1536, 0), strict=True))


@pytest.mark.parametrize("text", ["", "a", "a b c a", "?!", "Zürich 北京"])
@pytest.mark.parametrize("dimensions", [1, 7, 1536])
def test_vectors_have_length_one(text: str, dimensions: int):
    vector = embed(text, dimensions, 0)
    assert len(vector) == dimensions
    assert math.isclose(sum(part * part for part in vector), 1.0)


def test_texts_that_share_words_are_alike():
    question = "how long does the warranty last"
    assert likeness(question, "The warranty lasts two years; a battery's warranty is one year") > likeness(
        question, "Our shop opens at nine"
    )
    assert math.isclose(likeness(question, "How LONG does the warranty last?"), 1.0)


def test_another_seed_gives_another_vector():
    assert embed("a", 64, 0) != embed("a", 64, 1)


def test_packed_vectors_are_floats_of_32_bits():
    assert list(array("f", base64.b64decode(packed([0.5, -1.0])))) == [0.5, -1.0]
