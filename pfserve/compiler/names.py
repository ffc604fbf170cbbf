"""First pass: is every name, type and reference of the flow one that exists and that this version can run?"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from pfserve.compiler.findings import Findings
from pfserve.compiler.reference import InputReference, NodeReference, read_reference, section_hint
from pfserve.errors import did_you_mean
from pfserve.flow import FlowSource, NodeSource, SourceSpan
from pfserve.values import MESSAGE_FORMATS, TYPES

_NODE_TYPES = ("python", "prompt", "llm", "custom_llm", "csharp", "action")
CODE = "code"
_SOURCES = {"python": (CODE, "package"), "custom_llm": ("package_with_prompt",)}  # prompt and llm: their path counts
_NEVER_TYPES = ("csharp", "action")
_SOURCE_TYPES = ("code", "package", "package_with_prompt")
_ONLY_OF_NODES = ("assistant_definition",)


def chosen_nodes(source: FlowSource, chosen: Mapping[str, str], findings: Findings) -> tuple[NodeSource, ...]:
    """The nodes with variants in their places (contract 3.5): those of ``chosen``, a variant by node, else the default.

    A stub without a usable default variant stays.
    """
    bodies = {variants.node: dict(variants.variants).get(variants.default_id) for variants in source.variants}
    bodies |= _asked_for(source, chosen, findings)
    is_used = {node.name: node.use_variants or node.name in chosen for node in source.nodes}
    return tuple((bodies.get(node.name) or node) if is_used[node.name] else node for node in source.nodes)


def _asked_for(source: FlowSource, chosen: Mapping[str, str], findings: Findings) -> dict[str, NodeSource]:
    known = {variants.node: dict(variants.variants) for variants in source.variants}
    found = {}
    for node, variant in chosen.items():
        if variant in known.get(node, ()):
            found[node] = known[node][variant]
        elif node in known:
            hint = did_you_mean(variant, known[node]) or f"; there are {', '.join(known[node]) or 'none'}"
            findings.mistake(source.span, f"node '{node}' has no variant '{variant}' to choose{hint}")
        else:
            hint = did_you_mean(node, known) or f"; nodes that have some: {', '.join(known) or 'none'}"
            findings.mistake(source.span, f"there are no variants of a node '{node}' to choose '{variant}' from{hint}")
    return found


def check_names(source: FlowSource, nodes: tuple[NodeSource, ...], findings: Findings) -> None:
    """Report what is unknown, doubled, or not for this version."""
    _check_file(source, findings)
    for entry in source.inputs:
        _check_type(f"input '{entry.name}'", entry.type, entry.span, findings)
    for output in source.outputs:
        _check_type(f"output '{output.name}'", output.type, output.span, findings)
    _check_duplicates(nodes, findings)
    for node in nodes:
        _check_node(node, findings)
    _check_references(source, nodes, findings)


def _check_file(source: FlowSource, findings: Findings) -> None:
    if source.language.text != "python":
        found = f"Only python flows are allowed to be loaded with promptflow-core but got a {source.language.text} flow"
        findings.mistake(source.language.span, found)
    if source.message_format.text.lower() not in MESSAGE_FORMATS:
        wrong = f"Invalid message format '{source.message_format.text}'"
        findings.mistake(source.message_format.span, f"{wrong}. Supported message formats are {list(MESSAGE_FORMATS)}.")


def _check_type(what: str, name: str, span: SourceSpan, findings: Findings) -> None:
    if name and name not in TYPES:
        findings.mistake(span, f"{what} has the unknown type '{name}'{did_you_mean(name, TYPES)}")
    elif name in _ONLY_OF_NODES:
        findings.mistake(span, f"{what} is of type {name}, which only inputs of nodes can be")


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


def can_run(node: NodeSource) -> bool:
    """Whether nodes of this type, with a source of this type, can be run at all."""
    kind = node.type.text
    return kind in ("prompt", "llm") or node.source_type.text in _SOURCES.get(kind, ())


def _check_source_type(node: NodeSource, findings: Findings) -> None:
    kind, span = node.source_type.text, node.source_type.span
    if kind not in _SOURCE_TYPES:
        unknown = f"node '{node.name}' has the unknown source type '{kind}'"
        findings.mistake(span, unknown + did_you_mean(kind, _SOURCE_TYPES))
    elif node.type.text in _SOURCES and not can_run(node):
        unfit = f"Tool source type {kind} for {node.type.text} tool is not supported yet."
        findings.mistake(span, f"node '{node.name}': {unfit}")


def _check_references(source: FlowSource, nodes: tuple[NodeSource, ...], findings: Findings) -> None:
    check = _reference_check([entry.name for entry in source.inputs], nodes, findings)
    normal = {node.name for node in nodes if not node.aggregation}
    for node in nodes:
        for given in node.inputs:
            check(given.value, given.span, f"Node '{node.name}'", node)
        if node.activate and node.activate.is_complete:
            what = f"The 'activate' of node '{node.name}'"
            check(node.activate.when, node.activate.span, what, node)
            reference = read_reference(node.activate.when)
            if node.aggregation and isinstance(reference, NodeReference) and reference.node in normal:
                unfit = f"{what}, an aggregation, references '{reference.node}', which is none"
                findings.mistake(node.activate.span, unfit)
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
