"""Assistants (contract 3.11): what a definition file says, with the functions that the assistant may call."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from pathlib import Path

import msgspec

from pfserve.compiler.docstring import described
from pfserve.compiler.findings import Findings
from pfserve.compiler.load import Loaded
from pfserve.compiler.packages import PackageProblem, PackageTools
from pfserve.compiler.python_file import LoadProblem, PythonFiles
from pfserve.compiler.signature import Parameter
from pfserve.compiler.tool import Tool
from pfserve.errors import CompileError
from pfserve.flow import FlowSource, NodeInputSource, NodeSource, SourceSpan, Text
from pfserve.flow.document import Element, Entry, Scalar, Sequence, plain, read_document
from pfserve.flow.document import Mapping as MappingElement
from pfserve.plan import StepKind
from pfserve.values.assistant import AssistantDefinition, AssistantTool, AssistantToolInvoker

Bind = Callable[[Loaded], tuple[Callable[..., object], Mapping[str, object]]]
"""The function of a loaded tool and the values of its literal inputs; reports what does not fit."""

_BUILT_IN = ("code_interpreter", "retrieval")
_KINDS = "['code_interpreter', 'function', 'retrieval']"
_TOOL_TYPES = ("llm", "python", "csharp", "prompt", "action", "custom_llm")
_JSON_TYPES = {
    "int": "number",
    "double": "number",
    "bool": "boolean",
    "string": "string",
    "list": "array",
    "object": "object",
}
_BE_SURE = "Please make sure the assistant definition is correct."


class _Wrong(Exception):
    """An entry of the file is wrong. Carries the place and the message for the author."""

    def __init__(self, span: SourceSpan, message: str) -> None:
        super().__init__(message)
        self.span = span
        self.message = message


class _Found(msgspec.Struct, frozen=True):
    tool: Tool
    parameters: dict[str, Parameter]  # and those of its class, with the types that literals are converted to


class Assistants:
    """Reads the definitions that the nodes of one flow name."""

    def __init__(self, source: FlowSource, findings: Findings, bind: Bind) -> None:
        self._source = source
        self._findings = findings
        self._bind = bind
        self._files = PythonFiles(source.folder, source.shown)
        self._open: list[Path] = []

    def read(self, given: NodeInputSource, node: NodeSource) -> AssistantDefinition | None:
        """The definition in the file that an input of a node names; None if it cannot be had, which is reported."""
        what = f"Input '{given.name}' for node '{node.name}' of value '{given.value}'"
        path = self._source.folder / str(given.value)
        if path in self._open:
            self._findings.mistake(given.span, f"{what} is the definition of an assistant that needs itself")
        elif not path.is_file():
            self._findings.mistake(given.span, f"{what} is not a valid path.")
        else:
            self._open.append(path)
            try:
                return self._definition(path, node)
            except CompileError as problem:
                for one in problem.diagnostics:
                    self._findings.mistake(SourceSpan(one.file, one.line), one.message)
            except OSError as problem:
                self._findings.mistake(given.span, f"{what} cannot be read: {problem.strerror}")
            finally:
                self._open.pop()
        return None

    def _definition(self, path: Path, node: NodeSource) -> AssistantDefinition:
        shown = self._source.shown(path)
        document = read_document(path.read_bytes(), shown)
        if not isinstance(document, MappingElement):
            raise CompileError([SourceSpan(shown, 0).mistake("the definition of an assistant is a mapping")])
        definition = AssistantDefinition.deserialize(plain(document))  # type: ignore[arg-type]
        entry = _fields(document).get("tools")
        listed = entry.value if entry else Sequence((), document.span)
        if not isinstance(listed, Sequence):
            raise CompileError([listed.span.mistake("'tools' of an assistant must be a list")])
        tools = {}
        for item in listed.items:
            try:
                name, tool = self._tool(item, node)
                tools[name] = tool
            except _Wrong as problem:
                self._findings.mistake(problem.span, problem.message)
        definition._tool_invoker = AssistantToolInvoker(tools)
        return definition

    def _tool(self, item: Element, node: NodeSource) -> tuple[str, AssistantTool]:
        if not isinstance(item, MappingElement):
            raise _Wrong(item.span, f"a tool of the assistant of node '{node.name}' must be a mapping")
        fields = _fields(item)
        kind = plain(fields["type"].value) if "type" in fields else None
        if kind in _BUILT_IN:
            return str(kind), AssistantTool(None, plain(item))  # type: ignore[arg-type]
        if kind != "function":
            unsupported = f"Unsupported assistant tool's type in node {node.name} : {kind}."
            raise _Wrong(item.span, f"{unsupported} Please make sure the type is restricted within {_KINDS}.")
        _check_tool_type(fields, item.span, node.name)
        found = self._found(fields, item.span, node.name)
        inputs = fields.get("predefined_inputs")
        given = _inputs(inputs, item.span)
        loaded = _loaded(found, msgspec.structs.replace(node, inputs=given, span=item.span, activate=None))
        function, values = self._bind(loaded)
        definition = _definition_of(found, {one.name for one in given if one.is_given})
        return found.tool.name, AssistantTool(functools.partial(function, **values) if values else function, definition)

    def _found(self, fields: Mapping[str, Entry], where: SourceSpan, node: str) -> _Found:
        """The function that a tool's ``source`` means."""
        if "source" not in fields:
            raise _Wrong(where, f"The 'source' property is missing in the assistant node '{node}'. {_BE_SURE}")
        source = fields["source"].value
        if not isinstance(source, MappingElement):
            wrong = f"The 'source' definition is not valid in the assistant node '{node}'. {_BE_SURE}"
            raise _Wrong(source.span, f"{wrong[:-1]} and deserializable.")
        said = {name: plain(entry.value) for name, entry in _fields(source).items()}
        kind = said.get("type", "code")
        if kind == "package":
            return self._of_package(said.get("tool"), source.span, node)
        if kind == "code":
            return self._of_file(said.get("path"), source.span, node)
        raise _Wrong(source.span, f"Tool source type '{kind}' is not supported in assistant node '{node}'. {_BE_SURE}")

    def _of_package(self, identity: object, where: SourceSpan, node: str) -> _Found:
        if not identity:
            lacking = f"The 'tool' property is missing in 'source' of the assistant package tool in node '{node}'."
            raise _Wrong(where, f"{lacking} {_BE_SURE}")
        packages = PackageTools({str(identity)})
        packages.gather(self._source.folder)
        for problem in packages.problems:
            self._findings.warning(where, problem)
        try:
            found = packages.load(str(identity))
        except PackageProblem as problem:
            raise _Wrong(where, f"node '{node}': {problem}") from None
        return _Found(found.tool, found.parameters)

    def _of_file(self, relative: object, where: SourceSpan, node: str) -> _Found:
        if not relative:
            lacking = f"The 'path' property is missing in 'source' of the assistant python tool in node '{node}'."
            raise _Wrong(where, f"{lacking} {_BE_SURE}")
        path = self._source.folder / str(relative)
        if not path.is_file():
            raise _Wrong(where, f"Load tool failed for node '{node}'. Tool file '{relative}' can not be found.")
        try:
            tool = self._files.load(path)
        except LoadProblem as problem:
            raise _Wrong(problem.span, problem.message) from None
        of_class = tool.provider.parameters if tool.provider else {}
        return _Found(tool, of_class | tool.signature.parameters)


def _fields(mapping: MappingElement) -> dict[str, Entry]:
    return {str(entry.key): entry for entry in mapping.entries}


def _check_tool_type(fields: Mapping[str, Entry], where: SourceSpan, node: str) -> None:
    entry = fields.get("tool_type")
    kind = plain(entry.value) if entry else None
    if kind not in _TOOL_TYPES:
        wrong = f"The 'tool_type' property is missing or invalid in assistant node '{node}'. {_BE_SURE}"
        raise _Wrong(entry.span if entry else where, wrong)
    if kind != "python":
        unfit = f"Tool type '{kind}' is not supported in assistant node '{node}'. {_BE_SURE}"
        raise _Wrong(entry.span if entry else where, unfit)


def _inputs(entry: Entry | None, where: SourceSpan) -> tuple[NodeInputSource, ...]:
    if entry is None or (isinstance(entry.value, Scalar) and entry.value.value is None):
        return ()
    if not isinstance(entry.value, MappingElement):
        raise _Wrong(where, "'predefined_inputs' of an assistant's tool must be a mapping")
    return tuple(NodeInputSource(str(one.key), plain(one.value), one.span) for one in entry.value.entries)


def _loaded(found: _Found, node: NodeSource) -> Loaded:
    tool = found.tool
    return Loaded(
        node=msgspec.structs.replace(node, source_path=Text("", node.span)),
        kind=StepKind.PYTHON,
        function=tool.function,
        is_async=tool.is_async,
        lane=tool.lane,
        parameters=found.parameters,
        takes_any_name=tool.signature.takes_any_name,
        provider=tool.provider,
    )


def _definition_of(found: _Found, predefined: set[str]) -> Mapping[str, object]:
    """The function as OpenAI's API wants it; what is predefined is no matter of the assistant's."""
    tool = found.tool
    description, of_parameters = described(tool.function)
    properties: dict[str, object] = {}
    for name, parameter in tool.signature.parameters.items():
        if name not in predefined:
            shape: dict[str, object] = {
                "type": _JSON_TYPES.get(parameter.type_name, "object"),
                "description": of_parameters.get(name, ""),
            }
            choices = found.parameters[name].choices if name in found.parameters else ()
            properties[name] = shape | ({"enum": list(choices)} if choices else {})
    required = [name for name in properties if tool.signature.parameters[name].required]
    return {
        "type": "function",
        "function": {
            "name": tool.name,
            "description": description,
            "parameters": {"type": "object", "properties": properties, "required": required},
        },
    }
