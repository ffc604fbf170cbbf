"""Gathers the sources of connections from what the operator set."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pfserve.config import ServeConfig
from pfserve.connections.connections import Connections, EndpointLookup, Source, Sources, StandIn
from pfserve.connections.encoded import read_encoded
from pfserve.connections.files import read_connections
from pfserve.connections.form import Form
from pfserve.connections.problems import BrokenConnection, ConnectionProblem
from pfserve.connections.provider import Provider, provider_of, provider_of_endpoints

_ENCODED = ("PROMPTFLOW_ENCODED_CONNECTIONS", "PF_ENCODED_CONNECTIONS")
_LOCAL = ("PROMPTFLOW_CONNECTION_PROVIDER", "PF_CONNECTION_PROVIDER")
_SHARE_OF_BOOT = 0.3  # of the time that a flow has to compile, for connections that are asked for together
_AT_MOST_S = 60.0


def load(config: ServeConfig, environ: Mapping[str, str], *, stand_in: StandIn | None = None) -> Connections:
    """Read every source; connections themselves are made when they are asked for.

    ``environ`` is the environment that the flow will see. Encoded connections are the only source where they are set.
    ``stand_in`` replaces the connections of models. What a provider has is fetched when it is needed.

    Raises:
        ConfigError: a file or the encoded connections cannot be read.
    """
    encoded = next((name for name in _ENCODED if environ.get(name)), "")
    origin = config.origins.get("connections", "default")
    forms = read_encoded(encoded, environ[encoded]) if encoded else _of_files(config.connections, origin)
    provider = None if encoded else provider_of(environ)
    if provider and stand_in:  # a stand-in needs no original, and nobody else is asked without one's wish
        provider = Provider(provider.variable, problem="with --stub-llm no provider of connections is asked")
    within_s = min(_AT_MOST_S, config.boot_timeout_s * _SHARE_OF_BOOT)
    return Connections(
        Sources(
            forms=forms,
            replaced=dict(_pair(text) for text in config.replaced_connections),
            environ=environ,
            only_encoded=bool(encoded),
            provider=_source(provider, environ, within_s),
            endpoint=_unasked_endpoint if stand_in else _endpoint_lookup(environ, within_s),
            unasked=_why_unasked(provider, environ),
            stand_in=stand_in,
            warnings=_unread(config, encoded, origin),
        )
    )


def _source(provider: Provider | None, environ: Mapping[str, str], within_s: float) -> Source | None:
    if provider is None or provider.problem:
        return None
    from pfserve.connections.http_source import HttpSource  # most flows need no HTTP to start
    from pfserve.connections.wire import Patience, Wire
    from pfserve.connections.workspace import WorkspaceSource

    wire = Wire(environ, Patience(within_s))
    if provider.workspace is None:
        return HttpSource(provider.endpoint, wire)
    return WorkspaceSource(provider, provider.workspace, environ, wire)


def _endpoint_lookup(environ: Mapping[str, str], within_s: float) -> EndpointLookup:
    def look(kind: str, name: str, deployment: str) -> Form | ConnectionProblem:
        from pfserve.connections.arm_token import ArmToken  # most flows name no endpoint
        from pfserve.connections.endpoints import Endpoints
        from pfserve.connections.wire import Patience, Wire

        provider = provider_of_endpoints(environ)
        if provider.workspace is None or provider.problem:
            return BrokenConnection(name, f"{kind} {name!r}: {provider.problem}")
        patience = Patience(within_s)
        tokens = ArmToken(provider.workspace.arm, environ, patience, managed=provider.managed)
        return Endpoints(provider.workspace, tokens, Wire(environ, patience)).fetch(kind, name, deployment)

    return look


def _unasked_endpoint(kind: str, name: str, _deployment: str) -> ConnectionProblem:
    return BrokenConnection(name, f"{kind} {name!r}: with --stub-llm no workspace is asked")


def _why_unasked(provider: Provider | None, environ: Mapping[str, str]) -> str:
    if provider is not None:
        return f"{provider.problem} (from {provider.variable})" if provider.problem else ""
    local = next((name for name in _LOCAL if environ.get(name) == "local"), "")
    return f"{local}=local means promptflow's own store, pf.sqlite, which pfserve does not read" if local else ""


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
