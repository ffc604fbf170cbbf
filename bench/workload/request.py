"""Requests as the bytes that go out."""

from __future__ import annotations

import ipaddress
import re
import urllib.parse
from collections.abc import Callable, Sequence

import msgspec

from ..mistake import Mistake
from .template import Template

_NOT_IN_PATHS = re.compile(r"[\x00-\x20\x7f]")
_NOT_IN_VALUES = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # what HTTP calls a token

Requests = Callable[[int], bytes]  # gives the bytes of the request with that number


class Target(msgspec.Struct, frozen=True):
    """Whom to ask."""

    host: str
    port: int
    path: str
    tls: bool = False

    @classmethod
    def parse(cls, url: str, default_path: str) -> Target:
        """``http://host:port/path``; without a path, ``default_path``. Raises Mistake."""
        try:
            parts = urllib.parse.urlsplit(url)
            port = parts.port
        except ValueError as problem:
            raise Mistake(f"{url}: {problem}") from problem
        if parts.username is not None:
            raise Mistake("a name or a password in the URL is not sent: give it by --key or --header")
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise Mistake(f"{url!r} is no address: write http://HOST:PORT or https://HOST")
        tls = parts.scheme == "https"
        path = (parts.path if parts.path not in ("", "/") else default_path) + (
            f"?{parts.query}" if parts.query else ""
        )
        if _NOT_IN_PATHS.search(path) or not path.startswith("/"):
            raise Mistake(f"{path!r} is no path: it begins with /, and a space in it is written %20")
        return cls(parts.hostname, port or (443 if tls else 80), path, tls)

    @property
    def authority(self) -> str:
        """What goes into the Host header."""
        try:
            host = f"[{self.host}]" if ipaddress.ip_address(self.host).version == 6 else self.host
        except ValueError:
            host = self.host
        return host if self.port == (443 if self.tls else 80) else f"{host}:{self.port}"


class Workload(msgspec.Struct, frozen=True):
    """What is asked, in turn."""

    target: Target
    bodies: tuple[str, ...]  # none: requests without a body
    method: str = "POST"
    headers: tuple[tuple[str, str], ...] = ()
    seed: int = 0
    closes: bool = False  # a new connection for every request


def check(method: str, headers: Sequence[tuple[str, str]]) -> None:
    """Whether they leave a request whole. Raises Mistake, which shows no value: it may be a secret."""
    if not _NAME.fullmatch(method):
        raise Mistake(f"--method {method!r} is no method")
    for name, value in headers:
        if not _NAME.fullmatch(name):
            raise Mistake(f"--header: {name!r} is no name of a header; write 'NAME: VALUE'")
        if _NOT_IN_VALUES.search(value):
            raise Mistake(f"the header {name} holds a line break or another control character")


def requests(workload: Workload) -> Requests:
    """What gives request ``number`` its bytes: the bodies in turn, made once where they hold no places."""
    head = _head(workload)
    if not workload.bodies:
        alone = head + b"\r\n"
        return lambda number: alone
    templates = [Template(body) for body in workload.bodies]
    count, seed = len(templates), workload.seed
    if all(template.is_constant for template in templates):
        made = [_whole(head, template.render(0, seed)) for template in templates]
        return lambda number: made[number % count]
    return lambda number: _whole(head, templates[number % count].render(number, seed))


def _head(workload: Workload) -> bytes:
    check(workload.method, workload.headers)
    own = {name.lower() for name, _ in workload.headers}
    defaults = [("Host", workload.target.authority), ("Content-Type", "application/json"), ("Accept", "*/*")]
    headers = [header for header in defaults if header[0].lower() not in own] + list(workload.headers)
    if not workload.bodies:
        headers = [header for header in headers if header[0] != "Content-Type"]
    if workload.closes:
        headers.append(("Connection", "close"))
    lines = [f"{workload.method} {workload.target.path} HTTP/1.1", *(f"{name}: {value}" for name, value in headers)]
    return "".join(f"{line}\r\n" for line in lines).encode()


def _whole(head: bytes, body: str) -> bytes:
    encoded = body.encode()
    return b"%sContent-Length: %d\r\n\r\n%s" % (head, len(encoded), encoded)
