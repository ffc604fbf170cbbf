"""One token for Azure's resource manager, of the identity of this process (contract 6.6)."""

from __future__ import annotations

import base64
import importlib
import json
import time
from collections.abc import Callable, Mapping
from typing import Protocol

from pfserve.connections.wire import Patience, at_once
from pfserve.values.identity import options

_NO_LIBRARY = (
    "the connections of a workspace need azure-identity: pip install 'pfserve[azure]' "
    "(in place of promptflow-core[azureml-serving])"
)
_MARGIN_S = 60.0
_FAILED_S = 30.0
_SERVICE_PRINCIPAL = ("AZURE_TENANT_ID", "AZURE_CLIENT_ID")
_ITS_SECRET = ("AZURE_CLIENT_SECRET", "AZURE_CLIENT_CERTIFICATE_PATH", "AZURE_FEDERATED_TOKEN_FILE")


class Credential(Protocol):
    """What azure-identity gives."""

    def get_token(self, *scopes: str) -> object:
        """An object with the ``token``."""


class ArmToken:
    """The token, for as long as it is good; one that a worker asks for long after the boot may be over."""

    def __init__(
        self,
        resource: str,
        environ: Mapping[str, str],
        patience: Patience,
        *,
        managed: bool,
        now_s: Callable[[], float] = time.time,
    ) -> None:
        self._resource = resource
        self._environ = environ
        self._patience = patience
        self._managed = managed
        self._now_s = now_s
        self._token: str | NoToken = ""

    def get(self) -> str | NoToken:
        """A token that will do for now, or why there is none: that is not asked for again at once, either."""
        if not self._is_good(self._token):
            found = at_once(self._patience, self._fetched, [""])[""]
            self._token = found or NoToken(f"a token did not come within {self._patience.within_s:g} s")
        return self._token

    def _is_good(self, token: str | NoToken) -> bool:
        if isinstance(token, NoToken):
            return self._now_s() - token.at_s < _FAILED_S
        return _is_valid(token, self._now_s())

    def _fetched(self, _: str) -> str | NoToken:
        try:
            credential = credential_of(self._environ, managed=self._managed)
        except ImportError:
            return NoToken(_NO_LIBRARY)
        return token_of(credential, self._resource, self._patience if self._managed else None)


class NoToken:
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


def token_of(credential: Credential, resource: str, patience: Patience | None) -> str | NoToken:
    """A token for the resource manager; tried again with ``patience``, where there is one."""
    scope = f"{resource}/.default"
    attempt = 0
    while True:
        try:
            token = str(credential.get_token(scope).token)  # type: ignore[attr-defined]
            break
        except Exception as problem:  # whatever the library raises; its texts hold no secret
            if patience is None or not patience.wait(attempt):
                return NoToken(str(problem).strip() or type(problem).__name__)
            attempt += 1
    audience = _audience(token)
    if audience is None or audience.rstrip("/") != resource:
        # the first sentence is promptflow's
        told = "AAD token with aml scope could not be fetched using the credentials being used."
        return NoToken(f"{told} The token for {scope} is meant for {audience or 'nobody that it names'}.")
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
