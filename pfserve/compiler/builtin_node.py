"""Tools that need no package here: what their inputs may be, and what can only be given by literals."""

from __future__ import annotations

from pfserve.compiler.findings import Findings
from pfserve.compiler.reference import read_reference
from pfserve.compiler.signature import Parameter
from pfserve.compiler.tool import Provider
from pfserve.connections import ConnectionProblem, Connections
from pfserve.flow import NodeSource
from pfserve.values.builtin_tools import BUILTIN_TOOLS, BuiltinTool

OPEN_MODEL = "promptflow.tools.open_model_llm.OpenModelLLM.call"
_DIRECTLY = {"endpoint_url", "endpoint_api_key", "model_family"}
_KEYS = "endpoint_url, endpoint_api_key and model_family"


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
    """
    given = {one.name: one for one in node.inputs if one.is_given}
    named = given.get("endpoint_name")
    if named is None or read_reference(named.value) is not None or _DIRECTLY & given.keys():
        return None
    kind, _, name = str(named.value).partition("/")
    if kind.lower() not in ("connection", "localconnection") or not name:
        unread = f"node '{node.name}': the endpoint '{named.value}' is not looked up in the workspace"
        findings.mistake(
            named.span, f"{unread}; give it as a custom connection with {_KEYS}, and write connection/NAME"
        )
        return None
    try:
        return connections.get(name)
    except ConnectionProblem as problem:
        findings.mistake(named.span, f"Get connection '{name}' for node '{node.name}' error: {problem}")
        return None


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
