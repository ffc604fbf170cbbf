"""From arguments to the request that is sent."""

from __future__ import annotations

import json

import pytest

from pfserve.cli.request import body_of_pairs, build_request

URLS = [
    ("localhost:8080", (False, "localhost", 8080, "/score")),
    ("localhost", (False, "localhost", None, "/score")),
    ("http://a", (False, "a", None, "/score")),
    ("http://a:1/", (False, "a", 1, "/score")),
    ("http://a:1/score?x=1&y=2", (False, "a", 1, "/score?x=1&y=2")),
    ("a:1/feedback", (False, "a", 1, "/feedback")),
    ("https://A.example/b/", (True, "a.example", None, "/b/")),
    ("[::1]:8", (False, "::1", 8, "/score")),
]


@pytest.mark.parametrize(("url", "parts"), URLS)
def test_urls(url, parts):
    request = build_request(url, b"{}", [], key=None, stream=False)
    assert (request.secure, request.host, request.port, request.target) == parts


@pytest.mark.parametrize(
    "url", ["", "ftp://a", "http://", ":80", "a:b", "a:99999", "http://a/b c", "a/\r\nx: y", "http://[", "ü"]
)
def test_what_is_no_url(url):
    with pytest.raises(ValueError, match="is no "):
        build_request(url, b"{}", [], key=None, stream=False)


def headers(*texts, body=b"{}", key=None, stream=False):
    return build_request("a", body, texts, key=key, stream=stream).headers


def test_headers():
    assert headers() == {"Content-Type": "application/json", "Accept": "application/json"}
    assert headers(body=b"plain")["Content-Type"] == "text/plain; charset=utf-8"
    assert headers(body=b"\xff")["Content-Type"] == "text/plain; charset=utf-8"
    assert headers(stream=True)["Accept"] == "text/event-stream"
    assert headers(key="k")["Authorization"] == "Bearer k"
    assert headers("accept: text/html", "X-A:  b: c ") == {
        "Content-Type": "application/json",
        "accept": "text/html",
        "X-A": "b: c",
    }


@pytest.mark.parametrize("text", ["nothing", ": a", "a b: c", "a: \x01", "ü: a", "a: \u20ac", "a\nb: c"])
def test_what_is_no_header(text):
    with pytest.raises(ValueError, match="header"):
        headers(text)


def test_a_key_that_would_split_the_header_is_refused():
    with pytest.raises(ValueError, match="Authorization cannot be sent"):
        headers(key="a\r\nx: y")


PAIRS = [
    ([], {}),
    (["a=b"], {"a": "b"}),
    (["a=1", "b=[1, null]", "c=true", "d="], {"a": 1, "b": [1, None], "c": True, "d": ""}),
    (["a=b=c", 'e="1"', "f={"], {"a": "b=c", "e": "1", "f": "{"}),
    (["a=1", "a=2"], {"a": 2}),
]


@pytest.mark.parametrize(("pairs", "inputs"), PAIRS)
def test_pairs(pairs, inputs):
    assert json.loads(body_of_pairs(pairs)) == inputs


@pytest.mark.parametrize("pair", ["a", "=a"])
def test_what_is_no_pair(pair):
    with pytest.raises(ValueError, match="expected KEY=VALUE"):
        body_of_pairs([pair])
