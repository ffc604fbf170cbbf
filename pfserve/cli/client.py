"""Sends one request as a user would, and prints what comes back."""

from __future__ import annotations

import contextlib
import http.client
import json
from collections.abc import Iterable, Iterator
from typing import BinaryIO

import click

from pfserve.cli.request import Request


class Unanswered(Exception):
    """No whole answer came; the text says why, in one line."""


def send(request: Request, out: BinaryIO, *, timeout_s: float) -> bool:
    """Send ``request``, print the body to ``out`` and any status but 200 to stderr. True for a 2xx status.

    ``timeout_s`` bounds each wait for the server, not their sum.

    Raises:
        Unanswered: the server is not there, takes too long, or breaks off.
    """
    with contextlib.closing(_connection(request, timeout_s)) as connection:
        with _network(request, timeout_s):
            connection.request("POST", request.target, request.body, request.headers)
            response = connection.getresponse()
        _tell_status(response)
        for piece in _printed(response, request, timeout_s):
            out.write(piece)
            out.flush()
        return 200 <= response.status < 300


def event_data(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """The data of a stream of server-sent events, a line each, as they arrive; ``pieces`` break anywhere."""
    rest = b""
    for piece in pieces:
        *lines, rest = (rest + piece).split(b"\n")
        for line in lines:
            field, _, value = line.removesuffix(b"\r").partition(b":")
            if field == b"data":
                yield value.removeprefix(b" ") + b"\n"


def pretty(body: bytes, media_type: str) -> bytes:
    """A JSON body indented, any other as it is; both end with a line feed."""
    if media_type == "application/json":
        with contextlib.suppress(ValueError, RecursionError):  # no JSON after all: it is shown as it came
            body = json.dumps(json.loads(body), indent=2, ensure_ascii=False).encode("utf-8", "backslashreplace")
    return body if body.endswith(b"\n") or not body else body + b"\n"


def _connection(request: Request, timeout_s: float) -> http.client.HTTPConnection:
    kind = http.client.HTTPSConnection if request.secure else http.client.HTTPConnection
    return kind(request.host, request.port, timeout=timeout_s)


def _tell_status(response: http.client.HTTPResponse) -> None:
    if response.status != 200:
        retry_after = response.headers.get("Retry-After")
        hint = f" (Retry-After: {retry_after})" if retry_after else ""
        click.echo(f"{response.status} {response.reason}{hint}", err=True)


def _printed(response: http.client.HTTPResponse, request: Request, timeout_s: float) -> Iterator[bytes]:
    media_type = response.headers.get_content_type()
    if media_type == "text/event-stream":
        yield from event_data(_pieces(response, request, timeout_s))
        return
    with _network(request, timeout_s):
        body = response.read()
    yield pretty(body, media_type)


def _pieces(response: http.client.HTTPResponse, request: Request, timeout_s: float) -> Iterator[bytes]:
    while True:
        with _network(request, timeout_s):
            piece = response.read1(65_536)  # not readline: it takes a stream that broke off for one that ended
        if not piece:
            return
        yield piece


@contextlib.contextmanager
def _network(request: Request, timeout_s: float) -> Iterator[None]:
    """Errors of the network become one line; those of our own stdout must not pass through here."""
    try:
        yield
    except TimeoutError:
        raise Unanswered(f"{request.place}: no answer within {timeout_s:g} s") from None
    except http.client.RemoteDisconnected:
        raise Unanswered(f"{request.place}: the server closed the connection without an answer") from None
    except http.client.IncompleteRead:
        raise Unanswered(f"{request.place}: the answer broke off") from None
    except http.client.HTTPException as problem:
        raise Unanswered(f"{request.place}: not an HTTP answer ({type(problem).__name__})") from None
    except (OSError, UnicodeError) as problem:  # UnicodeError: a host name that cannot be looked up
        reason = getattr(problem, "strerror", None) or str(problem)
        raise Unanswered(f"{request.place}: {reason}") from None
