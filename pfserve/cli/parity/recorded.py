"""The requests to send: one JSON object a line, as recorded or as written by hand. Pure."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Iterable, Iterator, Mapping

import msgspec

_KEYS = ("name", "method", "path", "headers", "json", "body", "body_base64")
_BODIES = ("json", "body", "body_base64")
_OF_A_CONNECTION = frozenset(
    {"host", "content-length", "connection", "keep-alive", "transfer-encoding", "accept-encoding", "expect"}
)


class BadRecording(ValueError):
    """A line that is no request; the text is for the user."""


class Recorded(msgspec.Struct, frozen=True):
    """One request."""

    line: int
    name: str
    method: str
    path: str
    headers: dict[str, str]
    body: bytes | None

    @property
    def title(self) -> str:
        """What reports call it."""
        return f"{self.line}: {self.method} {self.path}" + (f" ({self.name})" if self.name else "")


def read_requests(lines: Iterable[str], extra: Mapping[str, str]) -> Iterator[Recorded]:
    """The requests of the lines; empty ones and those that begin with # are skipped. ``extra`` headers win.

    Raises:
        BadRecording: with the number of the line.
    """
    for number, line in enumerate(lines, 1):
        if line.strip() and not line.lstrip().startswith("#"):
            yield _request(number, line, extra)


def _request(number: int, line: str, extra: Mapping[str, str]) -> Recorded:
    try:
        given = json.loads(line)
    except (ValueError, RecursionError):
        raise BadRecording(f"line {number} is no JSON") from None
    if not isinstance(given, dict):
        raise BadRecording(f"line {number} is no JSON object")
    if unknown := sorted(given.keys() - set(_KEYS)):
        raise BadRecording(f"line {number}: unknown {', '.join(unknown)}; known are {', '.join(_KEYS)}")
    if sum(key in given for key in _BODIES) > 1:
        raise BadRecording(f"line {number}: give one of {', '.join(_BODIES)}")
    body, kind = _body(number, given)
    method = _text(number, given, "method", "GET" if body is None else "POST").upper()
    path = _text(number, given, "path", "/score")
    if not path.startswith("/") or not path.isascii() or not path.isprintable() or " " in path:
        raise BadRecording(f"line {number}: 'path' is no path such as /score")
    headers = _merged(kind, _headers(number, given), extra)
    return Recorded(number, _text(number, given, "name", ""), method, path, headers, body)


def _body(number: int, given: Mapping[str, object]) -> tuple[bytes | None, str]:
    """The bytes, and the content type that they have if nobody says otherwise."""
    if "json" in given:
        return json.dumps(given["json"]).encode(), "application/json"
    if "body_base64" in given:
        try:
            return base64.b64decode(_text(number, given, "body_base64", ""), validate=True), "application/octet-stream"
        except binascii.Error:
            raise BadRecording(f"line {number}: 'body_base64' is no base64") from None
    if "body" in given:
        return _text(number, given, "body", "").encode(), "application/json"
    return None, ""


def _headers(number: int, given: Mapping[str, object]) -> dict[str, str]:
    headers = given.get("headers", {})
    if not isinstance(headers, dict) or not all(isinstance(value, str) for value in headers.values()):
        raise BadRecording(f"line {number}: 'headers' is no object of texts")
    return {name: value for name, value in headers.items() if name.lower() not in _OF_A_CONNECTION}


def _merged(kind: str, recorded: Mapping[str, str], extra: Mapping[str, str]) -> dict[str, str]:
    merged = {"content-type": ("Content-Type", kind)} if kind else {}
    for headers in (recorded, extra):
        merged |= {name.lower(): (name, value) for name, value in headers.items()}
    return dict(merged.values())


def _text(number: int, given: Mapping[str, object], key: str, default: str) -> str:
    value = given.get(key, default)
    if not isinstance(value, str):
        raise BadRecording(f"line {number}: {key!r} is no text")
    return value
