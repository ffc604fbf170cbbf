"""The execution form of connections (contract 6.1): the dictionary that all sources are brought to.

``{"type": "OpenAIConnection", "module": "promptflow.connections", "value": {...}, "secret_keys": ["api_key"]}``
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence

from pfserve.values import connections as c

CONNECTION_CLASSES: Mapping[str, type[c.Connection]] = {
    f"{one.TYPE}Connection": one
    for one in (
        c.AzureOpenAIConnection,
        c.OpenAIConnection,
        c.ServerlessConnection,
        c.SerpConnection,
        c.QdrantConnection,
        c.WeaviateConnection,
        c.CognitiveSearchConnection,
        c.AzureAIServicesConnection,
        c.AzureContentSafetyConnection,
        c.FormRecognizerConnection,
        c.CustomConnection,
    )
}
"""The classes by the ``type`` of the execution form."""


class BadConnection(Exception):
    """Data that makes no connection. The text names the connection and what is wrong, and holds no value.

    ``missing`` names the values that the type needs and the data lack.
    """

    def __init__(self, text: str, missing: Sequence[str] = ()) -> None:
        super().__init__(text)
        self.missing = tuple(missing)


def connection_from(form: Mapping[str, object], name: str) -> c.Connection:
    """The connection that an execution form ``{type, module, value, secret_keys}`` describes (contract 6.1).

    Raises:
        BadConnection: an unknown type, or a value that the type needs is missing.
    """
    kind = CONNECTION_CLASSES.get(str(form.get("type")))
    if kind is None:
        supported = ", ".join(CONNECTION_CLASSES)
        raise BadConnection(f"Unknown connection {name!r} type {form.get('type')!r}, supported are [{supported}].")
    value = form.get("value")
    if not isinstance(value, Mapping) or not all(isinstance(key, str) for key in value):
        raise BadConnection(f"connection {name!r} has no map of values")
    if kind is c.CustomConnection:
        return _custom(value, form.get("secret_keys"), name)
    return _strong(kind, value, name)


def strong_type(
    connection: c.CustomConnection, kind: type[c.CustomStrongTypeConnection]
) -> c.CustomStrongTypeConnection:
    """The values of a custom connection as an object of the user's class.

    Raises:
        KeyError: a value that the class annotates is not there.
    """
    return kind(connection.secrets, connection.configs, name=connection.name)


def _custom(value: Mapping[str, object], secret_keys: object, name: str) -> c.CustomConnection:
    secret = secret_keys if isinstance(secret_keys, list | tuple | set | frozenset) else ()
    secrets = {key: held for key, held in value.items() if key in secret}
    return c.CustomConnection(secrets, {key: held for key, held in value.items() if key not in secret}, name=name)


def _strong(kind: type[c.Connection], value: Mapping[str, object], name: str) -> c.Connection:
    given = {key: held for key, held in value.items() if held is not None and key in fields_of(kind)}
    missing = [key for key, is_needed in fields_of(kind).items() if is_needed and key not in given]
    if missing:
        raise BadConnection(f"connection {name!r} of type {kind.__name__} lacks {' and '.join(missing)}", missing)
    return kind(**given, name=name)  # type: ignore[arg-type]


def fields_of(kind: type[c.Connection]) -> Mapping[str, bool]:
    """The names of the values that a class with fixed names has, and whether it needs them. Empty for custom ones."""
    if not issubclass(kind, c.StrongTypeConnection):
        return {}
    parameters = inspect.signature(kind).parameters.values()
    return {one.name: one.default is one.empty for one in parameters if one.kind is one.POSITIONAL_OR_KEYWORD}
