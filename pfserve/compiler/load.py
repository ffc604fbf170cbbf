"""Third pass: the function of every node - a python file's tool, or a compiled template."""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Callable
from pathlib import Path

import jinja2
import msgspec

from pfserve.compiler.findings import Findings
from pfserve.compiler.names import RUNNABLE_SOURCE_TYPE, RUNNABLE_TYPES
from pfserve.compiler.python_file import LoadProblem, PythonFiles
from pfserve.compiler.template import compile_template, template_environment, template_variables
from pfserve.flow import FlowSource, NodeSource, SourceSpan
from pfserve.plan import Lane, StepKind

_RESERVED_VARIABLE = "template"


class Loaded(msgspec.Struct, frozen=True):
    """A node's function, and what a caller may give it."""

    node: NodeSource
    kind: StepKind
    function: Callable[..., object]
    is_async: bool
    lane: Lane | None
    parameters: dict[str, inspect.Parameter]
    takes_any_name: bool
    needs_positions: bool = False


def load_nodes(
    source: FlowSource, nodes: tuple[NodeSource, ...], jinja_sandbox: bool, findings: Findings
) -> dict[str, Loaded]:
    """The loaded nodes by name; those that could not be loaded are reported and left out."""
    files = PythonFiles(source.folder, source.shown)
    environment = template_environment(jinja_sandbox)
    loaded = {}
    for node in nodes:
        path = _source_file(source, node, findings)
        if path is None:
            continue
        if node.type.text == "python":
            found = _load_python(files, node, path, findings)
        else:
            found = _load_template(environment, node, path, SourceSpan(source.shown(path), 0), findings)
        if found is not None:
            loaded[node.name] = found
    return loaded


def fingerprint(source: FlowSource, nodes: tuple[NodeSource, ...]) -> str:
    """A text that is equal for equal flow files and node files, wherever they lie."""
    digest = hashlib.sha256(source.content)
    for relative in sorted({node.source_path.text for node in nodes}):
        if (source.folder / relative).is_file():
            digest.update(relative.encode() + b"\0" + (source.folder / relative).read_bytes() + b"\0")
    return digest.hexdigest()[:16]


def _source_file(source: FlowSource, node: NodeSource, findings: Findings) -> Path | None:
    """The node's file; None, where this version does not run such nodes (which is reported elsewhere)."""
    if node.type.text not in RUNNABLE_TYPES or node.source_type.text != RUNNABLE_SOURCE_TYPE:
        return None
    relative = node.source_path.text
    if not relative:
        findings.mistake(node.span, f"Node {node.name} does not have source defined")
        return None
    path = source.folder / relative
    if path.is_file():
        return path
    if node.type.text == "python":
        problem = f"Load tool failed for node '{node.name}'. Tool file '{relative}' can not be found."
    else:
        problem = f"Node source path '{relative}' is invalid on node '{node.name}'."
    findings.mistake(node.source_path.span, problem)
    return None


def _load_python(files: PythonFiles, node: NodeSource, path: Path, findings: Findings) -> Loaded | None:
    try:
        tool = files.load(path)
    except LoadProblem as problem:
        findings.mistake(problem.span, problem.message)
        return None
    return Loaded(
        node=node,
        kind=StepKind.PYTHON,
        function=tool.function,
        is_async=tool.is_async,
        lane=Lane.LOOP if tool.is_async else Lane.THREAD,
        parameters=tool.parameters,
        takes_any_name=tool.takes_any_name,
        needs_positions=tool.needs_positions,
    )


def _load_template(
    environment: jinja2.Environment, node: NodeSource, path: Path, span: SourceSpan, findings: Findings
) -> Loaded | None:
    try:
        text = path.read_text(encoding="utf-8")
        given = {given.name for given in node.inputs if given.is_given}
        render = compile_template(environment, text, given)
        variables = template_variables(environment, text)
    except jinja2.TemplateSyntaxError as problem:
        message = f"Jinja parsing failed: ({type(problem).__name__}) {problem.message}"
        findings.mistake(SourceSpan(span.file, problem.lineno), message)
        return None
    except (OSError, UnicodeDecodeError, SyntaxError, RecursionError, MemoryError) as problem:
        # SyntaxError: jinja2 made code that python refuses, such as too many blocks inside each other
        findings.mistake(span, f"cannot be read: {type(problem).__name__}: {problem}")
        return None
    if _RESERVED_VARIABLE in variables:
        reserved = f"Invalid inputs {{'{_RESERVED_VARIABLE}'}} in prompt template of node {node.name}"
        findings.mistake(span, f"{reserved}. These inputs are duplicated with the reserved parameters of prompt tool.")
    return Loaded(node, StepKind.PROMPT, render, is_async=False, lane=None, parameters={}, takes_any_name=True)
