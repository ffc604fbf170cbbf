"""Counting tokens: tokenisers in memory or not, texts, chats, and the cache on the disk."""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path

import pytest

from pfserve.llm.counting import Count, count_messages, count_text
from pfserve.llm.encodings import encoding_name, loaded, preload
from small_encoding import RANKS, URL, registered


@pytest.mark.parametrize(
    ("model", "api", "name"),
    [
        ("gpt-4o", "chat", "o200k_base"),
        ("gpt-4o-mini-2024-07-18", "chat", "o200k_base"),
        ("gpt-35-turbo", "chat", "cl100k_base"),
        ("my-deployment", "chat", "cl100k_base"),
        ("my-deployment", "completion", "p50k_base"),
    ],
)
def test_the_tokeniser_of_a_model(model, api, name):
    assert encoding_name(model, api) == name


@pytest.mark.parametrize(
    ("text", "tokens"), [("", 0), ("abc", 1), ("abcab d", 4), ("<|end|>", 7), ("é", 2), ("ab " * 20_000, 40_000)]
)
def test_a_text(text, tokens):
    with registered("cl100k_base", in_memory=["cl100k_base"]):
        assert count_text(text, "gpt-4") == Count(tokens, estimated=len(text) > 50_000)


def test_a_text_without_the_tokeniser_is_estimated():
    with registered("cl100k_base"):
        assert count_text("é" * 5, "gpt-4") == Count(3, estimated=True)
        assert count_text("", "gpt-4") == Count(0, estimated=True)


@pytest.mark.parametrize(
    ("messages", "tokens", "estimated"),
    [
        ([], 3, False),
        ([{"role": "ab", "content": "abc"}], 3 + 3 + 1 + 1, False),
        ([{"role": "ab", "name": "abc", "content": "abc"}], 3 + 4 + 3, False),
        ([{"role": "ab", "content": None}], 3 + 3 + 1, False),
        ([{"role": "ab", "content": [{"type": "text", "text": "abc"}]}] * 2, 3 + 2 * 5, False),
        ([{"role": "ab", "content": [{"type": "image_url", "image_url": {"url": "u"}}]}], 3 + 3 + 1 + 85, True),
        ([{"role": "ab", "content": None, "function_call": {"name": "f"}}], 3 + 3 + 1, True),
    ],
)
def test_a_chat(messages, tokens, estimated):
    with registered("cl100k_base", in_memory=["cl100k_base"]):
        assert count_messages(messages, "gpt-4") == Count(tokens, estimated)


# -- The cache on the disk --------------------------------------------------------------------------

FILE = b"".join(base64.b64encode(token) + b" %d\n" % rank for token, rank in RANKS.items())


def cached(folder: Path, name: str, content: bytes) -> Path:
    file = folder / hashlib.sha1(URL.format(name=name).encode()).hexdigest()
    file.write_bytes(content)
    return file


def test_preload_takes_what_is_cached_and_fetches_nothing(tmp_path, monkeypatch):
    monkeypatch.setenv("TIKTOKEN_CACHE_DIR", str(tmp_path))
    cached(tmp_path, "one", FILE)
    with registered("one", "two"):
        assert preload(["one", "two", "one"]) == ("two",)
        assert loaded("one").encode_ordinary("abcd") == [257, ord("d")]
        assert loaded("two") is None


def test_preload_does_not_trust_a_file_with_another_hash(tmp_path, monkeypatch):
    monkeypatch.setenv("TIKTOKEN_CACHE_DIR", str(tmp_path))
    file = cached(tmp_path, "one", FILE + b"eA== 999\n")
    with registered("one", expected_hash=hashlib.sha256(FILE).hexdigest()):
        assert preload(["one"]) == ("one",)
        assert not file.exists()
        cached(tmp_path, "one", FILE)
        assert preload(["one"]) == ()


def test_preload_tells_what_is_broken(tmp_path, monkeypatch):
    monkeypatch.setenv("TIKTOKEN_CACHE_DIR", str(tmp_path))
    cached(tmp_path, "one", b"no tokeniser")
    with registered("one"):
        [told] = preload(["one"])
        assert told.startswith("one (ValueError: Error parsing line")
    [unknown] = preload(["nope"])
    assert unknown.startswith("nope (ValueError: Unknown encoding nope.")
