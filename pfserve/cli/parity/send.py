"""Sends a recorded request to one server and takes the whole answer."""

from __future__ import annotations

import contextlib
import http.client
import time
from collections.abc import Mapping
from urllib.parse import urlsplit

import msgspec

from pfserve.cli.parity.compare import Answer
from pfserve.cli.parity.recorded import Recorded


class Server(msgspec.Struct, frozen=True):
    """Where to send to, and the headers that only this server gets."""

    url: str
    secure: bool
    host: str
    port: int | None
    prefix: str  # of every path
    headers: Mapping[str, str] = {}


def server_at(url: str, key: str | None) -> Server:
    """The server of a URL such as http://host:8080, or just host:8080.

    Raises:
        ValueError: with a text for the user.
    """
    parts = urlsplit(url if "://" in url else f"http://{url}")
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
        raise ValueError(f"{url!r} is no http or https URL of a server, such as http://127.0.0.1:8080")
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    return Server(url, parts.scheme == "https", parts.hostname, parts.port, parts.path.rstrip("/"), headers)


def send(server: Server, request: Recorded, timeout_s: float) -> Answer:
    """The answer; one with a ``failure`` if there is none. ``timeout_s`` bounds each wait, not their sum."""
    kind = http.client.HTTPSConnection if server.secure else http.client.HTTPConnection
    started_s = time.monotonic()
    try:
        with contextlib.closing(kind(server.host, server.port, timeout=timeout_s)) as connection:
            connection.request(request.method, server.prefix + request.path, request.body, _headers(request, server))
            response = connection.getresponse()
            body = response.read()
            took_s = time.monotonic() - started_s
            return Answer(response.status, response.headers.get_content_type() if body else "", body, took_s)
    except TimeoutError:
        return Answer(failure=f"no answer within {timeout_s:g} s")
    except http.client.IncompleteRead:
        return Answer(failure="the answer broke off")
    except (http.client.HTTPException, OSError, UnicodeError) as problem:
        reason = getattr(problem, "strerror", None) or str(problem) or type(problem).__name__
        return Answer(failure=f"no answer: {reason}")


def _headers(request: Recorded, server: Server) -> dict[str, str]:
    own = {name.lower() for name in server.headers}
    return {name: value for name, value in request.headers.items() if name.lower() not in own} | dict(server.headers)
