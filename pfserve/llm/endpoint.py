"""Where a connection's model is, and what opens it. Decided once per connection."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import quote

import msgspec
from yarl import URL

from pfserve import __version__
from pfserve.config import snapshot
from pfserve.errors import UserError
from pfserve.values.identity import ai_scope
from pfserve.values.llm_parameters import AZURE, provider_of

_OPENAI_URL = "https://api.openai.com/v1"


class Endpoint(msgspec.Struct, frozen=True):
    """A service that speaks as OpenAI does.

    ``base`` is the URL that paths are put behind, ``query`` what every URL ends in. ``secrets`` are the texts that no
    message may show. ``scope`` is what an access token has to be for; empty where ``headers`` hold the key.
    """

    provider: str
    base: str
    query: str
    headers: Mapping[str, str]
    secrets: tuple[str, ...]
    scope: str = ""

    def url(self, path: str, model: object) -> URL:
        """The address of an api, such as ``chat/completions``, for a model or deployment."""
        if self.provider == AZURE and model is not None:
            path = f"deployments/{quote(str(model), safe='')}/{path}"
        return URL(f"{self.base}/{path}{self.query}", encoded=True)


def endpoint_of(connection: object) -> Endpoint:
    """The endpoint of a connection of :mod:`pfserve.values.connections`.

    Raises:
        UserError: no LLM can be reached through a connection of this kind.
    """
    provider = provider_of(connection)
    if provider is None:
        kind = type(connection).__name__.removesuffix("Connection")
        raise UserError(f"Connection type {kind} is not supported for LLM.")
    return _azure(connection) if provider == AZURE else _openai(provider, connection)


def _azure(connection: object) -> Endpoint:
    key = _field(connection, "api_key")
    return Endpoint(
        provider=AZURE,
        base=_field(connection, "api_base").rstrip("/") + "/openai",
        query=f"?api-version={quote(_field(connection, 'api_version'), safe='')}",
        headers={**_headers(), "api-key": key} if key else _headers(),
        secrets=_secrets(key),
        scope="" if key else ai_scope(_field(connection, "api_base")),
    )


def _openai(provider: str, connection: object) -> Endpoint:
    environment = snapshot()  # what the OpenAI library falls back to
    base = _field(connection, "base_url") or environment.get("OPENAI_BASE_URL") or _OPENAI_URL
    if type(connection).__name__ == "ServerlessConnection":
        base = _serverless_url(_field(connection, "api_base"))
    key = _field(connection, "api_key")
    headers = {**_headers(), "Authorization": f"Bearer {key}"}
    organization = _field(connection, "organization") or environment.get("OPENAI_ORG_ID")
    if organization:
        headers["OpenAI-Organization"] = organization
    return Endpoint(provider, base.rstrip("/"), "", headers, _secrets(key))


def _serverless_url(api_base: str) -> str:
    base = api_base.rstrip("/")
    return base if base.endswith("/v1") else f"{base}/v1"


def _field(connection: object, name: str) -> str:
    value = getattr(connection, name, None)
    return "" if value is None else str(value)


def _secrets(key: str) -> tuple[str, ...]:
    return (key,) if key else ()


def _headers() -> dict[str, str]:
    return {"Content-Type": "application/json", "Accept": "application/json", "User-Agent": f"pfserve/{__version__}"}
