"""Connections of a service of one's own: ``PF_HTTP_CONNECTION_PROVIDER_ENDPOINT`` (contract 6.6)."""

from __future__ import annotations

import json
from collections.abc import Iterable
from urllib.parse import quote

from pfserve.connections.form import Form, from_execution_form
from pfserve.connections.problems import BrokenConnection, ConnectionProblem, MissingConnection
from pfserve.connections.wire import Unreachable, Wire, at_once


class HttpSource:
    """``GET {endpoint}/connections/{name}`` gives the execution form."""

    def __init__(self, endpoint: str, wire: Wire) -> None:
        self._endpoint = endpoint
        self._wire = wire

    def fetch(self, names: Iterable[str]) -> dict[str, Form | ConnectionProblem]:
        """The connections of these names, or why each cannot be had. Concurrent, until the deadline."""
        self._wire.patience.begin()
        late = f"no answer of {self._endpoint} within {self._wire.patience.within_s:g} s"
        found = at_once(self._wire.patience, self._fetch, names)
        return {name: one or BrokenConnection(name, f"connection {name!r}: {late}") for name, one in found.items()}

    def _fetch(self, name: str) -> Form | ConnectionProblem:
        url = f"{self._endpoint}/connections/{quote(name, safe='')}"
        try:
            reply = self._wire.ask("GET", url, {"Accept": "application/json"})
        except Unreachable as problem:
            return BrokenConnection(name, f"connection {name!r}: GET {url}: {problem}")
        if not 200 <= reply.status < 300:
            told = f"connection {name!r}: GET {url} answered {reply.status} {reply.reason}"
            return MissingConnection(name, told) if reply.status == 404 else BrokenConnection(name, told)
        try:
            return from_execution_form(json.loads(reply.body), f"connection provider {self._endpoint}")
        except (ValueError, RecursionError):  # its text would repeat the body
            return BrokenConnection(name, f"connection {name!r}: GET {url} answered something that is no JSON")
