"""A tokeniser small enough to write here: every byte is a token, and so are ``ab`` and ``abc``."""

from __future__ import annotations

import contextlib

import tiktoken
import tiktoken.registry
from tiktoken.load import load_tiktoken_bpe

RANKS = {bytes([byte]): byte for byte in range(256)} | {b"ab": 256, b"abc": 257}
URL = "https://encodings.invalid/{name}.tiktoken"


def parts(name, expected_hash=None):
    """What a tiktoken plugin's constructor gives, read through tiktoken's own cache."""
    return {
        "name": name,
        "pat_str": r"\S+|\s+",
        "mergeable_ranks": load_tiktoken_bpe(URL.format(name=name), expected_hash),
        "special_tokens": {"<|end|>": 258},
    }


@contextlib.contextmanager
def registered(*names, in_memory=(), expected_hash=None):
    """Tiktoken knows these, in place of its own of the same name; those ``in_memory`` are loaded."""
    registry = tiktoken.registry
    registry._find_constructors()
    kept = dict(registry.ENCODING_CONSTRUCTORS), dict(registry.ENCODINGS)
    registry.ENCODING_CONSTRUCTORS.update({name: lambda name=name: parts(name, expected_hash) for name in names})
    for name in names:
        registry.ENCODINGS.pop(name, None)
    for name in in_memory:
        registry.ENCODINGS[name] = tiktoken.Encoding(
            name, pat_str=r"\S+|\s+", mergeable_ranks=RANKS, special_tokens={"<|end|>": 258}
        )
    try:
        yield
    finally:
        for held, before in zip((registry.ENCODING_CONSTRUCTORS, registry.ENCODINGS), kept, strict=True):
            held.clear()
            held.update(before)
