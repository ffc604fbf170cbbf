"""Gathers the sources of connections from what the operator set."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pfserve.config import ServeConfig
from pfserve.connections.connections import Connections, Sources, StandIn
from pfserve.connections.encoded import read_encoded
from pfserve.connections.files import read_connections
from pfserve.connections.form import Form

_ENCODED = ("PROMPTFLOW_ENCODED_CONNECTIONS", "PF_ENCODED_CONNECTIONS")
_PROVIDERS = (
    "PF_HTTP_CONNECTION_PROVIDER_ENDPOINT",
    "PROMPTFLOW_CONNECTION_PROVIDER",
    "PF_CONNECTION_PROVIDER",
    "PRT_CONFIG_OVERRIDE",
    "AML_DEPLOYMENT_RESOURCE_ID",
)


def load(config: ServeConfig, environ: Mapping[str, str], *, stand_in: StandIn | None = None) -> Connections:
    """Read every source; connections themselves are made when they are asked for.

    ``environ`` is the environment that the flow will see. Encoded connections are the only source where they are set.
    ``stand_in`` replaces the connections of models.

    Raises:
        ConfigError: a file or the encoded connections cannot be read.
    """
    encoded = next((name for name in _ENCODED if environ.get(name)), "")
    origin = config.origins.get("connections", "default")
    forms = read_encoded(encoded, environ[encoded]) if encoded else _of_files(config.connections, origin)
    return Connections(
        Sources(
            forms=forms,
            replaced=dict(_pair(text) for text in config.replaced_connections),
            environ=environ,
            only_encoded=bool(encoded),
            provider=next((name for name in _PROVIDERS if environ.get(name) not in (None, "", "local")), ""),
            stand_in=stand_in,
            warnings=_unread(config, encoded, origin),
        )
    )


def _of_files(paths: Sequence[str], origin: str) -> dict[str, Form]:
    """The connections of all paths; of those with the same name the last one counts, as an update does."""
    return {name: form for path in paths for name, form in read_connections(path, origin)}


def _unread(config: ServeConfig, encoded: str, origin: str) -> tuple[str, ...]:
    if not encoded or not config.connections:
        return ()
    return (f"connections = {', '.join(config.connections)} (from {origin}) is not read: {encoded} is set",)


def _pair(text: str) -> tuple[str, str]:
    name, _, other = text.partition("=")
    return name, other
