"""What an ``llm`` node calls: the API of a provider, known by the class of the node's connection (contract 3.5)."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from pfserve.compiler.findings import Findings
from pfserve.compiler.reference import InputReference, read_reference
from pfserve.compiler.signature import Parameter
from pfserve.compiler.template import Render
from pfserve.connections import ConnectionProblem, Connections
from pfserve.errors import did_you_mean
from pfserve.flow import NodeSource
from pfserve.plan import GIVEN_PROMPT, LlmCall
from pfserve.values.llm_parameters import PARAMETERS, REQUIRED, provider_of


class Model(msgspec.Struct, frozen=True):
    """The API of a provider, and the way to it."""

    connection: object
    provider: str
    api: str

    @property
    def api_name(self) -> str:
        """What messages call the API."""
        return f"{self.provider}.{self.api}"

    @property
    def types(self) -> Mapping[str, str]:
        """The API's parameters and their types. All other inputs of a node are variables of its prompt."""
        return PARAMETERS[self.provider, self.api]

    @property
    def parameters(self) -> dict[str, Parameter]:
        """The same, as a python tool's."""
        required = REQUIRED.get(self.provider)
        return {name: Parameter(name, kind, required=name == required) for name, kind in self.types.items()}

    def call(self, node: NodeSource, render: Render) -> LlmCall:
        """The node's call."""
        escaped = tuple(name for name in bound_to_inputs(node) if name != GIVEN_PROMPT)  # whose roles are meant
        return LlmCall(self.api, self.connection, render, frozenset(self.types), escaped)


def model_of(node: NodeSource, connections: Connections, findings: Findings) -> Model | None:
    """What the node calls; None, where it names nothing that could be called, which is reported."""
    where = node.connection.span
    try:
        connection = connections.get(node.connection.text) if node.connection.text else None
    except ConnectionProblem as problem:
        told = f"Get connection '{node.connection.text}' for node '{node.name}' error: {problem}"
        findings.mistake(where, told)
        return None
    if connection is None:
        findings.mistake(where, f"node '{node.name}' has no 'connection'")
        return None
    provider = provider_of(connection)
    if provider is None:
        unfit = f"node '{node.name}': Connection type {type(connection).__name__} is not supported for LLM."
        findings.mistake(where, unfit)
        return None
    apis = [api for known, api in PARAMETERS if known == provider]
    if node.api.text not in apis:
        hint = did_you_mean(node.api.text, apis) or f"; there are {' and '.join(apis)}"
        unknown = f"node '{node.name}': The API '{provider}.{node.api.text or None}' is not found."
        findings.mistake(node.api.span, unknown[:-1] + hint)
        return None
    return Model(connection, provider, node.api.text)


def bound_to_inputs(node: NodeSource) -> tuple[str, ...]:
    """The node's inputs that come from the flow's, unchanged: strangers wrote them (contract 3.7)."""
    return tuple(given.name for given in node.inputs if isinstance(read_reference(given.value), InputReference))


async def ask_model(**arguments: object) -> object:
    """In the place of an LLM step's function, until the executor binds one that has a client."""
    raise NotImplementedError("an LLM step is called by the worker's models")
