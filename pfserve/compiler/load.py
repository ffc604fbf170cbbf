"""Third pass: the function of every node - a python file's tool, or a compiled template, or a call of a model."""

from __future__ import annotations

import contextlib
import hashlib
import importlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import jinja2
import msgspec

from pfserve.compiler.builtin_node import OPEN_MODEL, endpoint_of, parameters_of, provider_of
from pfserve.compiler.findings import Findings
from pfserve.compiler.llm_node import ask_model, bound_to_inputs, model_of
from pfserve.compiler.missing import missing_module
from pfserve.compiler.names import CODE, can_run
from pfserve.compiler.packages import PackageProblem, PackageTool, PackageTools
from pfserve.compiler.python_file import LoadProblem, PythonFiles, put_first_on_path
from pfserve.compiler.signature import Parameter
from pfserve.compiler.template import (
    Render,
    compile_template,
    given_template,
    image_variables,
    template_environment,
    template_variables,
)
from pfserve.compiler.tool import Provider
from pfserve.connections import Connections
from pfserve.flow import FlowSource, NodeSource, SourceSpan
from pfserve.plan import GIVEN_PROMPT, Lane, LlmCall, PromptyCall, StepKind, ToolCall
from pfserve.values.builtin_tools import BUILTIN_TOOLS, builtin_id
from pfserve.values.chat import separate_images

_RESERVED_VARIABLE = "template"
_ESCAPED = "_inputs_to_escape"  # how promptflow names, for custom_llm tools, what strangers wrote (contract 3.7)


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
    call: LlmCall | PromptyCall | ToolCall | None = None
    constants: Mapping[str, object] = {}  # arguments that no node can give


def load_nodes(
    source: FlowSource,
    nodes: tuple[NodeSource, ...],
    connections: Connections,
    jinja_sandbox: bool,
    findings: Findings,
) -> dict[str, Loaded]:
    """The loaded nodes by name; those that could not be loaded are reported and left out."""
    needed = {node.source_tool.text for node in nodes if _is_of_package(node)}
    packages = PackageTools({identity for identity in needed if not builtin_id(identity)})
    packages.gather(source.folder)
    loader = _Loader(source, connections, jinja_sandbox, packages, findings)
    for problem in packages.problems:
        findings.warning(source.span, problem)
    loaded = ((node.name, loader.load(node)) for node in nodes)
    return {name: one for name, one in loaded if one is not None}


def import_modules(source: FlowSource, nodes: tuple[NodeSource, ...], findings: Findings) -> None:
    """Import what nodes name as their ``module``."""
    for node in nodes:
        name = node.module.text
        if not name:
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

    def __init__(
        self,
        source: FlowSource,
        connections: Connections,
        jinja_sandbox: bool,
        packages: PackageTools,
        findings: Findings,
    ) -> None:
        self._source = source
        self._packages = packages
        self._connections = connections
        self._findings = findings
        self._files = PythonFiles(source.folder, source.shown)
        self._environment = template_environment(jinja_sandbox)

    def load(self, node: NodeSource) -> Loaded | None:
        if not can_run(node):  # which is reported elsewhere
            return None
        if _is_of_package(node):
            return self._package(node)
        path = self._file(node)
        if node.type.text == "llm":
            return self._llm(node, path)
        if path is None:
            return None
        return self._python(node, path) if node.type.text == "python" else self._prompt(node, path)

    def _file(self, node: NodeSource) -> Path | None:
        """The node's file; None, where there is none."""
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

    def _builtin(self, node: NodeSource, identity: str) -> Loaded | None:
        tool = BUILTIN_TOOLS[identity]
        parameters = parameters_of(tool)
        given = {given.name for given in node.inputs if given.is_given} - parameters.keys()
        text, render = "", None
        if tool.prompt:
            path = self._file(node)
            read = self._template_text(path, node, set(parameters), "inputs of custom llm tool") if path else None
            text = read or ""
            shown = separate_images(text) if tool.shows_images else text
            render = self._template(path, shown, given) if path and read is not None else None
        if missing := missing_module(tool.needs):
            self._findings.mistake(node.source_tool.span, f"node '{node.name}': {identity} {missing}")
        named = endpoint_of(node, self._connections, self._findings) if identity == OPEN_MODEL else None
        if missing or (tool.prompt and render is None):
            return None
        return Loaded(
            node=node,
            kind=StepKind.LLM if tool.prompt else StepKind.TOOL,
            function=ask_model,
            is_async=True,
            lane=Lane.LOOP,
            parameters=_images_of(text) | parameters,
            takes_any_name=tool.open,
            streaming="stream" if tool.streams else "",
            provider=provider_of(tool),
            call=ToolCall(identity, named, render, bound_to_inputs(node)),
        )

    def _package(self, node: NodeSource) -> Loaded | None:
        identity = node.source_tool
        if builtin := builtin_id(identity.text):
            return self._builtin(node, builtin)
        try:
            found = self._packages.load(identity.text)
        except PackageProblem as problem:
            self._findings.mistake(identity.span, f"node '{node.name}': {problem}")
            return None
        constants, images = self._constants(node, found)
        if constants is None:
            return None
        tool = found.tool
        return Loaded(
            node=node,
            kind=StepKind.PYTHON,
            function=tool.function,
            is_async=tool.is_async,
            lane=tool.lane,
            parameters=found.parameters | images,
            takes_any_name=tool.signature.takes_any_name,
            needs_positions=tool.signature.needs_positions,
            streaming=tool.streaming,
            provider=tool.provider,
            constants=constants,
        )

    def _constants(self, node: NodeSource, found: PackageTool) -> tuple[dict[str, object] | None, dict[str, Parameter]]:
        """What a ``custom_llm`` tool gets besides the node's inputs; and which of these are images of its template."""
        if node.type.text != "custom_llm":
            return {}, {}
        path = self._file(node)
        text = self._template_text(path, node, set(found.parameters), "inputs of custom llm tool") if path else None
        if found.template is None:
            function = getattr(found.tool.function, "__name__", found.shown)
            lacking = f"function {function} is missing a prompt template argument."
            told = f"node '{node.name}': Invalid Custom LLM tool {found.shown}: {lacking}"
            self._findings.mistake(node.source_tool.span, told)
        if text is None or found.template is None:
            return None, {}
        constants: dict[str, object] = {found.template.name: found.template.kind(text)}
        escaped = list(bound_to_inputs(node))
        if escaped and (found.tool.signature.takes_any_name or _ESCAPED in found.tool.signature.parameters):
            constants[_ESCAPED] = escaped
        return constants, _images_of(text)

    def _prompt(self, node: NodeSource, path: Path) -> Loaded | None:
        text = self._template_text(path, node, {_RESERVED_VARIABLE}, "reserved parameters of prompt tool")
        given = {given.name for given in node.inputs}  # nulls too, which promptflow drops elsewhere only
        render = self._template(path, text, given)
        if text is None or render is None:
            return None
        return Loaded(
            node, StepKind.PROMPT, render, is_async=False, lane=None, parameters=_images_of(text), takes_any_name=True
        )

    def _llm(self, node: NodeSource, path: Path | None) -> Loaded | None:
        model = model_of(node, self._connections, self._findings)
        if path is None:
            return None
        given = {given.name for given in node.inputs if given.is_given and not (model and given.name in model.types)}
        reserved = {GIVEN_PROMPT, *model.types} if model else set[str]()
        text = self._template_text(path, node, reserved, f"parameters of {model.api_name if model else ''}")
        render = self._template(path, text, given)
        if GIVEN_PROMPT in given and render is not None:
            render = given_template(self._environment)
        if model is None or text is None or render is None:
            return None
        return Loaded(
            node,
            StepKind.LLM,
            ask_model,
            is_async=True,
            lane=Lane.LOOP,
            parameters=_images_of(text) | model.parameters,
            takes_any_name=True,
            streaming="stream",
            call=model.call(node, render),
        )

    def _template_text(self, path: Path, node: NodeSource, reserved: set[str], whose: str) -> str | None:
        """The text of the node's template, which may use none of the ``reserved`` names."""
        with self._reporting(path):
            text = path.read_text(encoding="utf-8")
            doubled = sorted(reserved & template_variables(self._environment, text))
            if not doubled:
                return text
            names = ", ".join(map(repr, doubled))
            duplicated = f"Invalid inputs {{{names}}} in prompt template of node {node.name}"
            span = SourceSpan(self._source.shown(path), 0)
            self._findings.mistake(span, f"{duplicated}. These inputs are duplicated with the {whose}.")
        return None

    def _template(self, path: Path, text: str | None, given: set[str]) -> Render | None:
        """A template's text as a function of the ``given`` variables."""
        if text is not None:
            with self._reporting(path):
                return compile_template(self._environment, text, given)
        return None

    @contextlib.contextmanager
    def _reporting(self, path: Path) -> Iterator[None]:
        """Report what is wrong with the template of a file."""
        span = SourceSpan(self._source.shown(path), 0)
        try:
            yield
        except jinja2.TemplateSyntaxError as problem:
            message = f"Jinja parsing failed: ({type(problem).__name__}) {problem.message}"
            self._findings.mistake(SourceSpan(span.file, problem.lineno), message)
        except (OSError, UnicodeDecodeError, SyntaxError, RecursionError, MemoryError) as problem:
            # SyntaxError: jinja2 made code that python refuses, such as too many blocks inside each other
            self._findings.mistake(span, f"cannot be read: {type(problem).__name__}: {problem}")


def _is_of_package(node: NodeSource) -> bool:
    return can_run(node) and node.type.text in ("python", "custom_llm") and node.source_type.text != CODE


def _images_of(template: str) -> dict[str, Parameter]:
    """The variables of a template that stand for images: a literal for one becomes the image."""
    return {name: Parameter(name, "image", required=False) for name in image_variables(template)}
