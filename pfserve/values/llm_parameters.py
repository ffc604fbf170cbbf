"""The parameters of the model APIs that an LLM node may set: their names, types and defaults (contract 3.5 and 3.8).

Inputs of an LLM node that are named here go to the API; all others are variables of its prompt. The types are those
of ``convert_literal``.
"""

from __future__ import annotations

from collections.abc import Mapping

AZURE = "AzureOpenAI"
OPENAI = "OpenAI"

_PROVIDERS = {"AzureOpenAIConnection": AZURE, "OpenAIConnection": OPENAI, "ServerlessConnection": OPENAI}

_SAMPLING: dict[str, str] = {
    "temperature": "double",
    "top_p": "double",
    "stream": "bool",
    "stop": "list",
    "max_tokens": "int",
    "presence_penalty": "double",
    "frequency_penalty": "double",
    "logit_bias": "object",
    "user": "string",
}
_CHAT: dict[str, str] = {
    **_SAMPLING,
    "function_call": "object",
    "functions": "list",
    "tool_choice": "object",
    "tools": "list",
    "response_format": "object",
    "seed": "int",
}
_COMPLETION: dict[str, str] = {
    **_SAMPLING,
    "suffix": "string",
    "n": "int",
    "logprobs": "int",
    "echo": "bool",
    "best_of": "int",
}

PARAMETERS: Mapping[tuple[str, str], Mapping[str, str]] = {
    (AZURE, "chat"): {"deployment_name": "string", **_CHAT, "n": "int"},
    (AZURE, "completion"): {"deployment_name": "string", **_COMPLETION},
    (OPENAI, "chat"): {"model": "string", **_CHAT},
    (OPENAI, "completion"): {"model": "string", **_COMPLETION},
}
"""For each provider and api the names that are the API's, and the types that literals for them are converted to."""

REQUIRED: Mapping[str, str] = {AZURE: "deployment_name"}
"""The parameter that has no default, by provider."""


def provider_of(connection: object) -> str | None:
    """Which provider's API the connection speaks (contract 3.5); None if an LLM node cannot use it."""
    for kind in type(connection).__mro__:
        if kind.__name__ in _PROVIDERS:
            return _PROVIDERS[kind.__name__]
    return None
