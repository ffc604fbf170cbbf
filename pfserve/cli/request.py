"""From the arguments of ``pfserve invoke`` to one HTTP request. Pure: no file is read, no socket opened."""

from __future__ import annotations

import json
from collections.abc import Sequence
from urllib.parse import urlsplit

import msgspec

_JSON = "application/json"
_TEXT = "text/plain; charset=utf-8"


class Request(msgspec.Struct, frozen=True):
    """One ``POST``, ready to be sent."""

    secure: bool
    host: str
    port: int | None  # None: that of the scheme
    target: str  # path and query
    headers: dict[str, str]
    body: bytes

    @property
    def place(self) -> str:
        """The server, as people write it."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}" if self.port is not None else host


def build_request(url: str, body: bytes, headers: Sequence[str], *, key: str | None, stream: bool) -> Request:
    """The request to send; ``headers`` are ``NAME: VALUE`` texts and win over ours.

    Raises:
        ValueError: with a text for the user.
    """
    secure, host, port, target = _split(url)
    ours = {"Content-Type": _content_type(body), "Accept": "text/event-stream" if stream else _JSON}
    if key is not None:
        ours["Authorization"] = f"Bearer {key}"
    return Request(secure, host, port, target, _merged(ours, headers), body)


def body_of_pairs(pairs: Sequence[str]) -> bytes:
    """The JSON object of ``KEY=VALUE`` texts; a value that is JSON counts as such, any other one as text.

    Raises:
        ValueError: with a text for the user.
    """
    inputs: dict[str, object] = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals or not name:
            raise ValueError(f"expected KEY=VALUE, not {pair!r}")
        inputs[name] = _value(value)
    return json.dumps(inputs).encode()


def _value(text: str) -> object:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def _split(url: str) -> tuple[bool, str, int | None, str]:
    try:
        parts = urlsplit(url if "://" in url else f"http://{url}")
        host, port = parts.hostname, parts.port
    except ValueError as problem:
        raise ValueError(f"{url!r} is no URL: {problem}") from None
    if parts.scheme not in ("http", "https") or not host or not url.isascii() or not url.isprintable() or " " in url:
        raise ValueError(f"{url!r} is no http or https URL; give host:port or http://host:port/score")
    path = parts.path if parts.path not in ("", "/") else "/score"
    return parts.scheme == "https", host, port, f"{path}?{parts.query}" if parts.query else path


def _content_type(body: bytes) -> str:
    try:
        json.loads(body)
    except (ValueError, RecursionError):
        return _TEXT
    return _JSON


def _merged(ours: dict[str, str], texts: Sequence[str]) -> dict[str, str]:
    headers = dict(ours)
    for text in texts:
        name, colon, value = (part.strip() for part in text.partition(":"))
        if not colon or not name.isascii() or not name.isprintable() or not name or " " in name:
            raise ValueError(f"expected a header as 'NAME: VALUE', not {text!r}")
        headers = {known: held for known, held in headers.items() if known.lower() != name.lower()}
        headers[name] = value
    for name, value in headers.items():
        if not value.isprintable() or not all(ord(character) < 256 for character in value):
            raise ValueError(f"the value of the header {name} cannot be sent")
    return headers
