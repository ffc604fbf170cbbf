"""The names of ``promptflow.connections`` that are no connection of :mod:`pfserve.values`, and its tables of names."""

from __future__ import annotations

import abc
import dataclasses
from collections.abc import Mapping

from pfserve.compat.absent import NotServed
from pfserve.compat.types import Secret
from pfserve.values import connections as c

_NO_PROVIDER = (
    "pfserve gives connections to nodes only: declare the connection as an input of the node, with its class as the "
    "annotation of the parameter"
)


@dataclasses.dataclass
class BingConnection:
    """The web search of Bing, as flows of old construct it themselves; no store has connections of this type."""

    api_key: str = dataclasses.field(repr=False)
    url: str = "https://api.bing.microsoft.com/v7.0/search"


def register_connections(classes: type | list[type]) -> None:
    """Nothing to do: a tool's connection class is known by its annotation."""


class ConnectionProvider(abc.ABC):
    """A source of connections, to annotate with. Nodes get connections as inputs; nothing else gives them here."""

    @classmethod
    def get_instance(cls, **kwargs: object) -> ConnectionProvider:
        """Raise ``NotServed``, as :meth:`init_from_provider_config` does."""
        raise NotServed(_NO_PROVIDER)

    @classmethod
    def init_from_provider_config(cls, provider_config: str, credential: object = None) -> ConnectionProvider:
        """Raise ``NotServed``."""
        raise NotServed(_NO_PROVIDER)

    @abc.abstractmethod
    def get(self, name: str) -> object:
        """The connection of that name."""

    def list(self, **kwargs: object) -> list[object]:
        """All connections."""
        return []


_EVERYWHERE: Mapping[str, object] = {
    kind.__name__: kind
    for kind in (
        c.AzureContentSafetyConnection,
        c.AzureOpenAIConnection,
        c.CognitiveSearchConnection,
        c.CustomConnection,
        c.FormRecognizerConnection,
        c.OpenAIConnection,
        c.SerpConnection,
    )
}

CONNECTIONS: Mapping[str, object] = {
    **_EVERYWHERE,
    "AzureAIServicesConnection": c.AzureAIServicesConnection,
    "CustomStrongTypeConnection": c.CustomStrongTypeConnection,
    "ServerlessConnection": c.ServerlessConnection,
    "BingConnection": BingConnection,
    "ConnectionProvider": ConnectionProvider,
    "Secret": Secret,
    "register_connections": register_connections,
    "_Connection": c.Connection,
}
"""Of ``promptflow.connections``."""

ENTITIES: Mapping[str, object] = {
    **_EVERYWHERE,
    "AzureAIServicesConnection": c.AzureAIServicesConnection,
    "CustomStrongTypeConnection": c.CustomStrongTypeConnection,
    "ServerlessConnection": c.ServerlessConnection,
    "QdrantConnection": c.QdrantConnection,
    "WeaviateConnection": c.WeaviateConnection,
}
"""Of ``promptflow.entities`` and its former place, ``promptflow._sdk.entities``."""
