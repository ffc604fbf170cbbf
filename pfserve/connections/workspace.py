"""Connections of an Azure ML workspace, from Azure's resource manager (contract 6.6)."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Mapping
from urllib.parse import quote

from pfserve.connections.arm import BadPayload, from_arm
from pfserve.connections.arm_token import ArmToken, NoToken
from pfserve.connections.form import Form
from pfserve.connections.problems import AccessDenied, BrokenConnection, ConnectionProblem, MissingConnection
from pfserve.connections.provider import Provider, Workspace
from pfserve.connections.wire import Reply, Unreachable, Wire, at_once

_API = "api-version=2023-04-01-preview"
_DENIED = (
    "Access denied to list workspace secret due to invalid authentication. Please ensure you have gain RBAC role "
    "'Azure Machine Learning Workspace Connection Secrets Reader' for current workspace, and wait for a few minutes to "
    "make sure the new role takes effect. "
)

Found = Form | ConnectionProblem


class WorkspaceSource:
    """Asks the resource manager for single connections, with one token for all."""

    def __init__(
        self,
        provider: Provider,
        workspace: Workspace,
        environ: Mapping[str, str],
        wire: Wire,
        now_s: Callable[[], float] = time.time,
    ) -> None:
        self._workspace = workspace
        self._wire = wire
        self._tokens = ArmToken(workspace.arm, environ, wire.patience, managed=provider.managed, now_s=now_s)
        self._token: str | NoToken = ""

    def fetch(self, names: Iterable[str]) -> dict[str, Found]:
        """The connections of these names, or why each cannot be had. Concurrent, until the deadline."""
        self._wire.patience.begin()
        self._token = self._tokens.get()
        late = f"an answer of Azure's resource manager did not come within {self._wire.patience.within_s:g} s"
        found = at_once(self._wire.patience, self._fetch, names)
        return {name: one or BrokenConnection(name, f"connection {name!r}: {late}") for name, one in found.items()}

    def _fetch(self, name: str) -> Found:
        token = self._token
        if isinstance(token, NoToken):
            return BrokenConnection(name, f"connection {name!r} of {self._place()}: {token.why}")
        path = self._path(name)
        try:
            url = f"{self._workspace.arm}{quote(path, safe='/?=&-._~')}"
            reply = self._wire.ask("POST", url, {"Authorization": f"Bearer {token}", "Content-Length": "0"})
        except Unreachable as problem:
            told = f"connection {name!r}: {self._workspace.arm} (action: listsecrets) cannot be asked: {problem}"
            return BrokenConnection(name, told)
        return self._found(name, path, reply)

    def _found(self, name: str, path: str, reply: Reply) -> Found:
        if reply.status == 200:
            return self._form(name, reply.body)
        if reply.status == 403:
            return AccessDenied(name, _DENIED)
        # this sentence is promptflow's
        said = f"Open url {path} failed with status code: {reply.status}, action: listsecrets, reason: {reply.reason}"
        if reply.status == 404:
            return MissingConnection(name, f"{said}; there is no connection {name!r} in {self._place()}")
        return BrokenConnection(name, said)

    def _form(self, name: str, body: bytes) -> Found:
        try:
            return from_arm(name, json.loads(body), f"workspace {self._workspace.name}")
        except (BadPayload, ValueError) as problem:  # a ValueError's text would repeat the body
            why = problem if isinstance(problem, BadPayload) else "an answer that is no JSON"
            return BrokenConnection(name, f"Build connection dict for connection {name} failed with {why}.")

    def _path(self, name: str) -> str:
        where = self._workspace
        return (
            f"/subscriptions/{where.subscription}/resourcegroups/{where.group}/providers/"
            f"Microsoft.MachineLearningServices/workspaces/{where.name}/connections/{name}/listsecrets?{_API}"
        )

    def _place(self) -> str:
        return f"workspace {self._workspace.name!r} of resource group {self._workspace.group!r}"
