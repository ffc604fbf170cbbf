"""Third pass: the function of every node - a python file's tool, or a compiled template, or a call of a model."""

from __future__ import annotations

import hashlib
import importlib
from collections.abc import Callable
from pathlib import Path

import jinja2
import msgspec

from pfserve.compiler.findings import Findings
from pfserve.compiler.llm_node import ask_model, model_of
from pfserve.compiler.names import RUNNABLE_SOURCE_TYPE, RUNNABLE_TYPES
from pfserve.compiler.python_file import LoadProblem, PythonFiles, put_first_on_path
from pfserve.compiler.signature import Parameter
from pfserve.compiler.template import (
    Render,
    compile_template,
    given_template,
    template_environment,
    template_variables,
)
from pfserve.compiler.tool import Provider
from pfserve.connections import Connections
from pfserve.flow import FlowSource, NodeSource, SourceSpan
from pfserve.plan import GIVEN_PROMPT, Lane, LlmCall, StepKind

_RESERVED_VARIABLE = "template"


class Loaded(msgspec.Struct, frozen=True):
    """A node's function, and what a caller may give it."""

    node: NodeSource
    kind: StepKind
    function: Callable[..., object]
    is_async: bool
    lane: Lane | None
    parameters: dict[str, Parameter]
    takes_any_name: bool
    needs_positions: bool = False
    streaming: str = ""  # the parameter that says whether a stream is wanted
    provider: Provider | None = None  # whose method the function is
    call: LlmCall | None = None


def load_nodes(
    source: FlowSource,
    nodes: tuple[NodeSource, ...],
    connections: Connections,
    jinja_sandbox: bool,
    findings: Findings,
) -> dict[str, Loaded]:
    """The loaded nodes by name; those that could not be loaded are reported and left out."""
    loader = _Loader(source, connections, jinja_sandbox, findings)
    loaded = ((node.name, loader.load(node)) for node in nodes)
    return {name: one for name, one in loaded if one is not None}


def import_modules(source: FlowSource, nodes: tuple[NodeSource, ...], findings: Findings) -> None:
    """Import what nodes name as their ``module``. Those of promptflow register what needs no registration here."""
    for node in nodes:
        name = node.module.text
        if not name or name.partition(".")[0] == "promptflow":
            continue
        put_first_on_path(source.folder)
        try:
            importlib.import_module(name)
        except Exception as problem:  # the module is anybody's code
            cause = f"Import node '{node.name}' provider module '{name}' failed. Root cause: {problem!r}."
            findings.mistake(node.module.span, f"Failed to import modules with error: {cause}")


def fingerprint(source: FlowSource, nodes: tuple[NodeSource, ...]) -> str:
    """A text that is equal for equal flow files and node files, wherever they lie."""
    digest = hashlib.sha256(source.content)
    for relative in sorted({node.source_path.text for node in nodes}):
        if (source.folder / relative).is_file():
            digest.update(relative.encode() + b"\0" + (source.folder / relative).read_bytes() + b"\0")
    return digest.hexdigest()[:16]


class _Loader:
    """What loading the nodes of one flow has in common."""

    def __init__(self, source: FlowSource, connections: Connections, jinja_sandbox: bool, findings: Findings) -> None:
        self._source = source
        self._connections = connections
        self._findings = findings
        self._files = PythonFiles(source.folder, source.shown)
        self._environment = template_environment(jinja_sandbox)

    def load(self, node: NodeSource) -> Loaded | None:
        path = self._file(node)
        if node.type.text == "llm" and node.source_type.text == RUNNABLE_SOURCE_TYPE:
            return self._llm(node, path)
        if path is None:
            return None
        return self._python(node, path) if node.type.text == "python" else self._prompt(node, path)

    def _file(self, node: NodeSource) -> Path | None:
        """The node's file; None, where this version does not run such nodes (which is reported elsewhere)."""
        if node.type.text not in RUNNABLE_TYPES or node.source_type.text != RUNNABLE_SOURCE_TYPE:
            return None
        relative = node.source_path.text
        if not relative:
            self._findings.mistake(node.span, f"Node {node.name} does not have source defined")
            return None
        path = self._source.folder / relative
        if path.is_file():
            return path
        if node.type.text == "python":
            problem = f"Load tool failed for node '{node.name}'. Tool file '{relative}' can not be found."
        else:
            problem = f"Node source path '{relative}' is invalid on node '{node.name}'."
        self._findings.mistake(node.source_path.span, problem)
        return None

    def _python(self, node: NodeSource, path: Path) -> Loaded | None:
        try:
            tool = self._files.load(path)
        except LoadProblem as problem:
            self._findings.mistake(problem.span, problem.message)
            return None
        of_class = tool.provider.parameters if tool.provider else {}
        return Loaded(
            node=node,
            kind=StepKind.PYTHON,
            function=tool.function,
            is_async=tool.is_async,
            lane=tool.lane,
            parameters=of_class | tool.signature.parameters,
            takes_any_name=tool.signature.takes_any_name,
            needs_positions=tool.signature.needs_positions,
            streaming=tool.streaming,
            provider=tool.provider,
        )

    def _prompt(self, node: NodeSource, path: Path) -> Loaded | None:
        given = {given.name for given in node.inputs if given.is_given}
        render = self._template(node, path, given, {_RESERVED_VARIABLE}, "reserved parameters of prompt tool")
        if render is None:
            return None
        return Loaded(node, StepKind.PROMPT, render, is_async=False, lane=None, parameters={}, takes_any_name=True)

    def _llm(self, node: NodeSource, path: Path | None) -> Loaded | None:
        model = model_of(node, self._connections, self._findings)
        if path is None:
            return None
        given = {given.name for given in node.inputs if given.is_given and not (model and given.name in model.types)}
        reserved = {GIVEN_PROMPT, *model.types} if model else set[str]()
        render = self._template(node, path, given, reserved, f"parameters of {model.api_name if model else ''}")
        if GIVEN_PROMPT in given and render is not None:
            render = given_template(self._environment)
        if model is None or render is None:
            return None
        return Loaded(
            node,
            StepKind.LLM,
            ask_model,
            is_async=True,
            lane=Lane.LOOP,
            parameters=model.parameters,
            takes_any_name=True,
            streaming="stream",
            call=model.call(node, render),
        )

    def _template(self, node: NodeSource, path: Path, given: set[str], reserved: set[str], whose: str) -> Render | None:
        """The node's file as a function of the ``given`` variables. It may use none of the ``reserved`` names."""
        span = SourceSpan(self._source.shown(path), 0)
        try:
            text = path.read_text(encoding="utf-8")
            render = compile_template(self._environment, text, given)
            doubled = sorted(reserved & template_variables(self._environment, text))
        except jinja2.TemplateSyntaxError as problem:
            message = f"Jinja parsing failed: ({type(problem).__name__}) {problem.message}"
            self._findings.mistake(SourceSpan(span.file, problem.lineno), message)
            return None
        except (OSError, UnicodeDecodeError, SyntaxError, RecursionError, MemoryError) as problem:
            # SyntaxError: jinja2 made code that python refuses, such as too many blocks inside each other
            self._findings.mistake(span, f"cannot be read: {type(problem).__name__}: {problem}")
            return None
        if doubled:
            names = ", ".join(map(repr, doubled))
            duplicated = f"Invalid inputs {{{names}}} in prompt template of node {node.name}"
            self._findings.mistake(span, f"{duplicated}. These inputs are duplicated with the {whose}.")
        return render
