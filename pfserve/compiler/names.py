"""First pass: is every name, type and reference of the flow one that exists and that this version can run?"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

from pfserve.compiler.findings import Findings, did_you_mean
from pfserve.compiler.reference import InputReference, NodeReference, read_reference, section_hint
from pfserve.flow import FlowSource, NodeSource, SourceSpan
from pfserve.values import TYPES, holds_image

_MESSAGE_FORMATS = ("basic", "openai-vision")
_NODE_TYPES = ("python", "prompt", "llm", "custom_llm", "csharp", "action")
RUNNABLE_TYPES = ("python", "prompt")
RUNNABLE_SOURCE_TYPE = "code"
_NEVER_TYPES = ("csharp", "action")
_SOURCE_TYPES = ("code", "package", "package_with_prompt")
_UNREADY_TYPES = ("image", "assistant_definition")
_CONNECTION_VALUE = re.compile(r"\$\{[^.]+\.[^.]+}")


def chosen_nodes(source: FlowSource) -> tuple[NodeSource, ...]:
    """The nodes with their default variants in place (contract 3.5); a stub without a usable variant stays."""
    bodies = {variants.node: dict(variants.variants).get(variants.default_id) for variants in source.variants}
    return tuple((bodies.get(node.name) or node) if node.use_variants else node for node in source.nodes)


def check_names(source: FlowSource, nodes: tuple[NodeSource, ...], findings: Findings) -> None:
    """Report what is unknown, doubled, or not for this version."""
    _check_file(source, findings)
    for entry in source.inputs:
        _check_type(f"input '{entry.name}'", entry.type, entry.span, findings)
        if holds_image(entry.default):
            unready = "holds an image, which this version cannot take yet"
            findings.mistake(entry.span, f"the default of input '{entry.name}' {unready}")
    for output in source.outputs:
        _check_type(f"output '{output.name}'", output.type, output.span, findings, unready=("assistant_definition",))
    _check_duplicates(nodes, findings)
    for node in nodes:
        _check_node(node, findings)
    _check_references(source, nodes, findings)


def _check_file(source: FlowSource, findings: Findings) -> None:
    if source.language.text != "python":
        found = f"Only python flows are allowed to be loaded with promptflow-core but got a {source.language.text} flow"
        findings.mistake(source.language.span, found)
    if source.message_format.text.lower() not in _MESSAGE_FORMATS:
        wrong = f"Invalid message format '{source.message_format.text}'"
        findings.mistake(
            source.message_format.span, f"{wrong}. Supported message formats are {list(_MESSAGE_FORMATS)}."
        )
    for variable in source.environment_variables:
        if _CONNECTION_VALUE.fullmatch(variable.text.strip()):
            unready = "takes its value from a connection, which this version cannot do yet"
            findings.mistake(variable.span, f"the environment variable '{variable.name}' {unready}")


def _check_type(
    what: str, name: str, span: SourceSpan, findings: Findings, unready: tuple[str, ...] = _UNREADY_TYPES
) -> None:
    if name and name not in TYPES:
        findings.mistake(span, f"{what} has the unknown type '{name}'{did_you_mean(name, TYPES)}")
    elif name in unready:
        findings.mistake(span, f"{what} is of type {name}, which this version cannot take yet")


def _check_duplicates(nodes: Iterable[NodeSource], findings: Findings) -> None:
    first: dict[str, NodeSource] = {}
    for node in nodes:
        known = first.setdefault(node.name, node)
        if known is not node:
            where = f"Node with name '{node.name}' appears more than once, first on line {known.span.line}"
            findings.mistake(node.span, f"{where}; give every node a name of its own")


def _check_node(node: NodeSource, findings: Findings) -> None:
    _check_node_type(node, findings)
    _check_source_type(node, findings)
    if node.activate and not node.activate.is_complete:
        incomplete = f"The definition of activate config for node {node.name} is incorrect"
        findings.mistake(node.activate.span, f"{incomplete}: it needs both 'when' and 'is'")


def _check_node_type(node: NodeSource, findings: Findings) -> None:
    kind, span = node.type.text, node.type.span
    if node.use_variants:  # the stub is still there
        missing = f"node '{node.name}' uses variants, but 'node_variants' has no default variant for it"
        findings.mistake(node.span, missing)
    elif not kind:
        findings.mistake(span, f"node '{node.name}' has no 'type'")
    elif kind not in _NODE_TYPES:
        findings.mistake(span, f"node '{node.name}' has the unknown type '{kind}'{did_you_mean(kind, _NODE_TYPES)}")
    elif kind in _NEVER_TYPES:
        findings.mistake(span, f"node '{node.name}' is of type {kind}, which cannot be served")
    elif kind not in RUNNABLE_TYPES:
        _unready(node, span, f"is of type {kind}", findings)


def _check_source_type(node: NodeSource, findings: Findings) -> None:
    kind, span = node.source_type.text, node.source_type.span
    if kind not in _SOURCE_TYPES:
        unknown = f"node '{node.name}' has the unknown source type '{kind}'"
        findings.mistake(span, unknown + did_you_mean(kind, _SOURCE_TYPES))
    elif kind != RUNNABLE_SOURCE_TYPE:
        _unready(node, span, f"has a source of type {kind}", findings)


def _unready(node: NodeSource, span: SourceSpan, what: str, findings: Findings) -> None:
    if node.aggregation:
        findings.warning(
            span, f"node '{node.name}' {what}: as it is an aggregation, which is never run, it is not loaded"
        )
    else:
        findings.mistake(span, f"node '{node.name}' {what}, which this version cannot run yet")


def _check_references(source: FlowSource, nodes: tuple[NodeSource, ...], findings: Findings) -> None:
    check = _reference_check([entry.name for entry in source.inputs], nodes, findings)
    for node in nodes:
        for given in node.inputs:
            check(given.value, given.span, f"Node '{node.name}'", node)
        if node.activate and node.activate.is_complete:
            what = f"The 'activate' of node '{node.name}'"
            check(node.activate.when, node.activate.span, what, node)
            if read_reference(node.activate.when) is None:
                findings.mistake(node.activate.span, f"{what} needs a reference (${{…}}) for 'when'")
    for output in source.outputs:
        if output.reference in (None, ""):
            findings.mistake(output.span, f"The output '{output.name}' has no 'reference'")
        check(output.reference, output.span, f"The output '{output.name}'", None)


def _reference_check(
    inputs: list[str], nodes: tuple[NodeSource, ...], findings: Findings
) -> Callable[[object, SourceSpan, str, NodeSource | None], None]:
    aggregations = {node.name: node.aggregation for node in nodes}

    def check_node(reference: NodeReference, span: SourceSpan, what: str, reader: NodeSource | None) -> None:
        if reference.node not in aggregations:
            hint = did_you_mean(reference.node, aggregations)
            findings.mistake(span, f"{what} references a non-existent node '{reference.node}'{hint}")
        elif reader and not reader.aggregation and aggregations[reference.node]:
            findings.mistake(
                span, f"{what} references the aggregation node '{reference.node}', which is never run here"
            )
        if reader and reference.section != "output":
            wrong = f"The section '{reference.section}' of reference is currently unsupported. "
            findings.mistake(
                span, f"{wrong}Please specify the output part of the node '{reference.node}'{section_hint(reference)}."
            )

    def check(value: object, span: SourceSpan, what: str, reader: NodeSource | None) -> None:
        reference = read_reference(value)
        if isinstance(reference, NodeReference):
            check_node(reference, span, what, reader)
        elif isinstance(reference, InputReference) and reference.name not in inputs:
            hint = did_you_mean(reference.name, inputs)
            findings.mistake(span, f"{what} references flow input '{reference.name}' which is not defined{hint}")

    return check
