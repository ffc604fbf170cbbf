"""Connections that lead to the stub instead of a real model, in the execution form (contract 6.1)."""

from __future__ import annotations

_KEY = "stub"  # any will do, and no real one must reach the stub


def stub_connection(kind: str, url: str) -> dict[str, object] | None:
    """A connection of that type (``OpenAIConnection``; Azure OpenAI's if empty) to the stub at ``url``.

    None if the type is no model's: the stub is no search service and holds no custom values.
    """
    value = _value(kind, url)
    if value is None:
        return None
    return {
        "type": kind or "AzureOpenAIConnection",
        "module": "promptflow.connections",
        "value": {"api_key": _KEY, **value},
        "secret_keys": ["api_key"],
    }


def _value(kind: str, url: str) -> dict[str, str] | None:
    match kind:
        case "AzureOpenAIConnection" | "":
            return {"api_base": url}
        case "OpenAIConnection":
            return {"base_url": f"{url}/v1"}
        case "ServerlessConnection":
            return {"api_base": f"{url}/v1"}
    return None
