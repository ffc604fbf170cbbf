"""Tools that need no package here: what their inputs may be, and what can only be given by literals."""

from __future__ import annotations

from pfserve.compiler.findings import Findings
from pfserve.compiler.reference import read_reference
from pfserve.compiler.signature import Parameter
from pfserve.compiler.tool import Provider
from pfserve.connections import ConnectionProblem, Connections, MissingConnection
from pfserve.flow import NodeSource
from pfserve.values.builtin_tools import BUILTIN_TOOLS, BuiltinTool
from pfserve.values.connections import Connection

OPEN_MODEL = "promptflow.tools.open_model_llm.OpenModelLLM.call"
_DIRECTLY = {"endpoint_url", "endpoint_api_key", "model_family"}
_CONNECTIONS = ("connection", "localconnection")
_IN_WORKSPACE = {"onlineendpoint": "onlineEndpoint", "serverlessendpoint": "serverlessEndpoint"}


def parameters_of(tool: BuiltinTool) -> dict[str, Parameter]:
    """What the tool takes."""
    return {name: _parameter(name, kind, name in tool.required) for name, kind in tool.inputs.items()}


def _parameter(name: str, kind: str | tuple[str, ...], required: bool) -> Parameter:
    if isinstance(kind, str):
        return Parameter(name, kind, required)
    return Parameter(name, "connection", required, connections=kind)


def provider_of(tool: BuiltinTool) -> Provider | None:
    """What only literals can give, as if the tool were a method of a class; None where references can give all."""
    if not tool.made_of:
        return None
    parameters = parameters_of(tool)
    return Provider(object, "", {name: parameters[name] for name in tool.made_of}, tool.title)


def endpoint_of(node: NodeSource, connections: Connections, findings: Findings) -> object | None:
    """The connection that the ``endpoint_name`` of an open model means; None where it names none.

    ``connection/NAME`` and ``localConnection/NAME`` are the connections of this server: it has but one store of them.
    ``onlineEndpoint/NAME`` and ``serverlessEndpoint/NAME`` are looked up in the workspace, once.
    """
    given = {one.name: one for one in node.inputs if one.is_given}
    named = given.get("endpoint_name")
    if named is None or read_reference(named.value) is not None or _DIRECTLY & given.keys():
        return None
    kind, _, name = str(named.value).partition("/")
    deployment = given.get("deployment_name")
    try:
        return _endpoint(kind.lower(), name, _deployment(deployment.value if deployment else ""), connections)
    except ConnectionProblem as problem:
        told = f"node '{node.name}' names the endpoint '{named.value}': {problem}"
        if kind.lower() in _CONNECTIONS and name:
            told = f"Get connection '{name}' for node '{node.name}' error: {problem}"
        findings.mistake(named.span, told)
        return None


def _endpoint(kind: str, name: str, deployment: str, connections: Connections) -> Connection:
    if name and kind in _CONNECTIONS:
        return connections.get(name)
    if name and kind in _IN_WORKSPACE:
        return connections.endpoint(_IN_WORKSPACE[kind], name, deployment)
    forms = "connection/NAME, onlineEndpoint/NAME or serverlessEndpoint/NAME"
    raise MissingConnection(name, f"that is none of {forms}")


def _deployment(given: object) -> str:
    """The deployment that is asked for; empty for the endpoint's own choice, and if only requests know."""
    if read_reference(given) is not None:
        return ""
    name = str(given).strip()
    return "" if name == "default" else name


def as_metadata(identity: str) -> dict[str, object]:
    """The tool as the metadata of a package would describe it: its function is one of ``promptflow.tools``'s names."""
    tool = BUILTIN_TOOLS[identity]
    module, _, function = identity.rpartition(".")
    kind = module.rpartition(".")[2]
    class_name = {"class_name": kind} if kind[:1].isupper() else {}
    return {
        "name": tool.title,
        "module": module.removesuffix(f".{kind}") if class_name else module,
        "function": function,
        "inputs": {name: {"type": kind if isinstance(kind, str) else [*kind]} for name, kind in tool.inputs.items()},
        **class_name,
    }
