"""Connections of an Azure ML workspace, from Azure's resource manager (contract 6.6)."""

from __future__ import annotations

import base64
import importlib
import json
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Protocol
from urllib.parse import quote

from pfserve.connections.arm import BadPayload, from_arm
from pfserve.connections.form import Form
from pfserve.connections.problems import AccessDenied, BrokenConnection, ConnectionProblem, MissingConnection
from pfserve.connections.provider import Provider, Workspace
from pfserve.connections.wire import Patience, Reply, Unreachable, Wire, at_once
from pfserve.values.identity import options

_API = "api-version=2023-04-01-preview"
_DENIED = (
    "Access denied to list workspace secret due to invalid authentication. Please ensure you have gain RBAC role "
    "'Azure Machine Learning Workspace Connection Secrets Reader' for current workspace, and wait for a few minutes to "
    "make sure the new role takes effect. "
)
_NO_LIBRARY = (
    "the connections of a workspace need azure-identity: pip install 'pfserve[azure]' "
    "(in place of promptflow-core[azureml-serving])"
)
_MARGIN_S = 60.0
_FAILED_S = 30.0
_SERVICE_PRINCIPAL = ("AZURE_TENANT_ID", "AZURE_CLIENT_ID")
_ITS_SECRET = ("AZURE_CLIENT_SECRET", "AZURE_CLIENT_CERTIFICATE_PATH", "AZURE_FEDERATED_TOKEN_FILE")

Found = Form | ConnectionProblem


class Credential(Protocol):
    """What azure-identity gives."""

    def get_token(self, *scopes: str) -> object:
        """An object with the ``token``."""


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
        self._provider = provider
        self._workspace = workspace
        self._environ = environ
        self._wire = wire
        self._now_s = now_s
        self._token: str | _NoToken = ""  # a worker may ask long after the boot: it may be over

    def fetch(self, names: Iterable[str]) -> dict[str, Found]:
        """The connections of these names, or why each cannot be had. Concurrent, until the deadline."""
        self._wire.patience.begin()
        if not self._is_good(self._token):
            self._token = at_once(self._wire.patience, self._fetched_token, [""])[""] or _NoToken(self._late("a token"))
        late = self._late("an answer of Azure's resource manager")
        found = at_once(self._wire.patience, self._fetch, names)
        return {name: one or BrokenConnection(name, f"connection {name!r}: {late}") for name, one in found.items()}

    def _is_good(self, token: str | _NoToken) -> bool:
        """Whether it will do for now: a failure is not repeated at once, either."""
        if isinstance(token, _NoToken):
            return self._now_s() - token.at_s < _FAILED_S
        return _is_valid(token, self._now_s())

    def _fetch(self, name: str) -> Found:
        token = self._token
        if isinstance(token, _NoToken):
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

    def _late(self, what: str) -> str:
        return f"{what} did not come within {self._wire.patience.within_s:g} s"

    # -- the token

    def _fetched_token(self, _: str) -> str | _NoToken:
        try:
            credential = credential_of(self._environ, managed=self._provider.managed)
        except ImportError:
            return _NoToken(_NO_LIBRARY)
        retried = self._provider.managed
        return token_of(credential, self._workspace.arm, self._wire.patience if retried else None)


class _NoToken:
    """In the place of a token: why there is none."""

    def __init__(self, why: str) -> None:
        self.why = why
        self.at_s = time.time()


def credential_of(environ: Mapping[str, str], *, managed: bool) -> Credential:
    """The identity to ask as: of a deployment its managed one, unless the environment has a service principal's.

    Raises:
        ImportError: azure-identity is not installed.
    """
    library = importlib.import_module("azure.identity")
    principal = all(environ.get(name) for name in _SERVICE_PRINCIPAL) and any(environ.get(name) for name in _ITS_SECRET)
    if managed and not principal:
        return library.ManagedIdentityCredential(client_id=environ.get("AZURE_CLIENT_ID"))  # type: ignore[no-any-return]
    return library.DefaultAzureCredential(**options(environ))  # type: ignore[no-any-return]


def token_of(credential: Credential, resource: str, patience: Patience | None) -> str | _NoToken:
    """A token for the resource manager; tried again with ``patience``, where there is one."""
    scope = f"{resource}/.default"
    attempt = 0
    while True:
        try:
            token = str(credential.get_token(scope).token)  # type: ignore[attr-defined]
            break
        except Exception as problem:  # whatever the library raises; its texts hold no secret
            if patience is None or not patience.wait(attempt):
                return _NoToken(str(problem).strip() or type(problem).__name__)
            attempt += 1
    audience = _audience(token)
    if audience is None or audience.rstrip("/") != resource:
        # the first sentence is promptflow's
        told = "AAD token with aml scope could not be fetched using the credentials being used."
        return _NoToken(f"{told} The token for {scope} is meant for {audience or 'nobody that it names'}.")
    return token


def _audience(token: str) -> str | None:
    """Whom a JSON web token is meant for."""
    audience = _claims(token).get("aud")
    return audience if isinstance(audience, str) else None


def _is_valid(token: str, now_s: float) -> bool:
    """Whether a JSON web token is good for a while, as far as it says."""
    end_s = _claims(token).get("exp")
    return bool(token) and (not isinstance(end_s, int | float) or end_s - now_s > _MARGIN_S)


def _claims(token: str) -> Mapping[str, object]:
    """What a JSON web token says. Nothing is verified: who takes it will."""
    try:
        claims = json.loads(base64.urlsafe_b64decode(token.split(".")[1] + "=="))
    except (IndexError, ValueError):
        return {}
    return claims if isinstance(claims, dict) else {}
