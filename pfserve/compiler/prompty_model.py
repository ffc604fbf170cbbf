"""The model that a prompty asks: what its configuration says, as a connection (contract 4.2; 10.2 row 27)."""

from __future__ import annotations

from collections.abc import Mapping

from pfserve.config import snapshot
from pfserve.connections import ConnectionProblem, Connections
from pfserve.values.connections import AzureOpenAIConnection, Connection, OpenAIConnection
from pfserve.values.core_errors import CoreError, InvalidConnectionError, UnknownConnectionType
from pfserve.values.llm_parameters import provider_of

Configuration = Mapping[str, object]

_KINDS: Mapping[object, type[AzureOpenAIConnection | OpenAIConnection]] = {
    "azure_openai": AzureOpenAIConnection,
    "AzureOpenAI": AzureOpenAIConnection,
    "openai": OpenAIConnection,
    "OpenAI": OpenAIConnection,
}
_MODELS = ("azure_deployment", "model")
_NO_FIELDS = ("type", "connection", *_MODELS)
CONFIGURATION_KEYS = (
    *_NO_FIELDS,
    *("azure_endpoint", "api_base", "api_key", "api_version", "base_url", "organization"),
)
"""What a configuration usually says."""


def check_configuration(configuration: Configuration) -> None:
    """Raise :class:`InvalidConnectionError` for a configuration that names a connection and describes one too."""
    described = any(value for name, value in configuration.items() if name not in _NO_FIELDS)
    if configuration.get("connection") and described:
        raise InvalidConnectionError("Cannot configure model config and connection in configuration at the same time.")


def model_name(configuration: Configuration) -> object:
    """The deployment or model."""
    return configuration.get("azure_deployment") or configuration.get("model")


def connection_of(configuration: Configuration, connections: Connections, label: str) -> Connection:
    """The connection to the model: by name, or as the configuration or the environment describes it.

    ``label`` is what a connection without a name is called.

    Raises:
        UserErrorException: promptflow-core's, for a type that is no model's, or an environment that lacks variables.
        ConnectionProblem: the named connection cannot be had.
    """
    named = configuration.get("connection")
    if isinstance(named, Connection):
        return _fit(named)
    kind = _KINDS.get(configuration.get("type"))
    if named:
        return _fit(connections.get(str(named), kind.__name__ if kind else ""))
    if kind is None:
        raise _unknown(configuration.get("type"))
    given = {name: value for name, value in configuration.items() if value}
    if not given.keys() - {"type", *_MODELS}:
        return connections.described(label, kind.__name__, None)
    values = {name: value for name, value in given.items() if name not in _NO_FIELDS}
    if kind is AzureOpenAIConnection:
        endpoint = values.pop("azure_endpoint", None) or snapshot().get("AZURE_OPENAI_ENDPOINT")
        values.setdefault("api_base", endpoint)
    try:
        return connections.described(label, kind.__name__, values)
    except ConnectionProblem as problem:
        raise CoreError(str(problem)) from None


def _fit(connection: Connection) -> Connection:
    if provider_of(connection) is None:
        raise _unknown(connection.type)
    return connection


def _unknown(kind: object) -> UnknownConnectionType:
    supported = f"{AzureOpenAIConnection.TYPE}, {OpenAIConnection.TYPE}"
    told = f"Not Support connection type {kind} for embedding api. Connection type should be in [{supported}]."
    return UnknownConnectionType(told)
