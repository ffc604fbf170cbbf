"""The head of a reply: status line and headers. What does not change from reply to reply is built once a second."""

from __future__ import annotations

from email.utils import formatdate
from http import HTTPStatus

JSON = "application/json"
TEXT = "text/plain; charset=utf-8"
HTML = "text/html; charset=utf-8"
EVENTS = "text/event-stream; charset=utf-8"


class Heads:
    """Builds heads. ``version`` and ``cors`` are those of :class:`pfserve.web.Settings`."""

    def __init__(self, version: str, cors: str, wall_s: float) -> None:
        self._version = version
        self._any_origin = cors == "*"
        self._cors = f"Access-Control-Allow-Origin: {cors}\r\n" if cors else ""
        self._prefixes: dict[tuple[int, str], str] = {}
        self.refresh(wall_s)

    def refresh(self, wall_s: float) -> None:
        """Take the time of day for the ``Date`` header; ``wall_s`` are seconds since 1970."""
        self._date = formatdate(wall_s, usegmt=True)
        self._prefixes.clear()

    def render(
        self,
        status: int,
        content_type: str,
        length: int,
        *,
        request_id: str,
        origin: str | None = None,
        extra: str = "",
    ) -> bytes:
        """A complete head, with its final empty line.

        ``length`` is that of the body in bytes, ``origin`` the request's header of that name, ``extra`` further
        header lines, each with its line end.
        """
        prefix = self._prefixes.get((status, content_type)) or self._prefix(status, content_type)
        cors = self._cors if origin is None else self._cors_of(origin)
        return (f"{prefix}{cors}{extra}x-request-id: {request_id}\r\nContent-Length: {length}\r\n\r\n").encode(
            "latin-1", "replace"
        )

    def render_open(self, status: int, content_type: str, *, request_id: str, origin: str | None, extra: str) -> bytes:
        """The head of a reply whose length is not known yet; ``extra`` says how it ends."""
        prefix = self._prefixes.get((status, content_type)) or self._prefix(status, content_type)
        cors = self._cors if origin is None else self._cors_of(origin)
        return f"{prefix}{cors}{extra}x-request-id: {request_id}\r\n\r\n".encode("latin-1", "replace")

    def _cors_of(self, origin: str) -> str:
        if not self._any_origin or not (origin.isascii() and origin.isprintable()):
            return self._cors
        return f"Access-Control-Allow-Origin: {origin}\r\nVary: Origin\r\n"

    def _prefix(self, status: int, content_type: str) -> str:
        kind = f"Content-Type: {content_type}\r\n" if content_type else ""
        prefix = (
            f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\n{kind}Date: {self._date}\r\n"
            f"x-ms-server-version: pfserve/{self._version}\r\n"
        )
        self._prefixes[status, content_type] = prefix
        return prefix
