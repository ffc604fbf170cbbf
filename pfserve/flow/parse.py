"""From the flow file to :class:`FlowSource`: the shape of ``flow.dag.yaml`` (contract 3.1 to 3.5), not its meaning."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from pfserve.errors import CompileError
from pfserve.flow.document import Entry, Mapping, Scalar, Sequence, plain, read_document
from pfserve.flow.locate import flow_name, locate_flow, shown
from pfserve.flow.reader import Reader, is_null
from pfserve.flow.source import (
    ActivateSource,
    EnvironmentSource,
    FlowSource,
    InputSource,
    NodeInputSource,
    NodeSource,
    OutputSource,
    SourceSpan,
    Text,
    VariantsSource,
)

_INPUT_KEYS = ("type", "default", "description", "enum", "is_chat_input", "is_chat_history")
_OUTPUT_KEYS = ("type", "reference", "description", "evaluation_only", "is_chat_output")
_NODE_KEYS = (
    *("name", "type", "source", "inputs", "activate", "use_variants", "aggregation", "connection", "api", "module"),
    *("reduce", "provider", "tool", "comment", "enable_cache", "skip"),  # without a meaning here, or of old
)


def parse_flow(path: Path) -> FlowSource:
    """Read the flow that ``path``, a folder or a file, means.

    What is wrong with the shape of a readable file is kept in ``FlowSource.mistakes``, for the compiler to report.

    Raises:
        CompileError: there is no flow, it is not a DAG flow, or its YAML cannot be read.
    """
    file = locate_flow(path)
    whole = SourceSpan(shown(file), 0)
    if file.suffix == ".prompty":
        raise CompileError([whole.mistake("prompty files cannot be served by this version yet")])
    try:
        content = file.read_bytes()
    except OSError as problem:
        raise CompileError([whole.mistake(f"cannot be read: {problem.strerror}")]) from None
    document = read_document(content, whole.file)
    if not isinstance(document, Mapping):
        raise CompileError([whole.mistake("a flow is a mapping with 'inputs', 'outputs' and 'nodes'")])
    reader = Reader()
    fields = reader.fields(document)
    if "entry" in fields:
        raise CompileError([fields["entry"].span.mistake("flex flows ('entry') cannot be served by this version yet")])
    sample = _sample(reader, file.parent / "samples.json")
    return FlowSource(
        path=file,
        folder=file.parent,
        name=flow_name(path),
        span=whole,
        language=reader.text(fields, "language", document.span, "python"),
        message_format=reader.text(fields, "message_format", document.span, "basic"),
        inputs=tuple(_inputs(reader, fields)),
        outputs=tuple(_outputs(reader, fields)),
        nodes=tuple(_nodes(reader, fields)),
        variants=tuple(_variants(reader, fields)),
        environment_variables=tuple(_environment(reader, fields)),
        additional_includes=tuple(_additional_includes(reader, fields.get("additional_includes"))),
        sample=sample,
        content=content,
        mistakes=tuple(reader.mistakes),
        warnings=tuple(reader.warnings),
    )


def _inputs(reader: Reader, fields: dict[str, Entry]) -> Iterator[InputSource]:
    for name, span, mapping in reader.named_mappings(fields.get("inputs"), "input"):
        of = reader.fields(mapping)
        reader.warn_of_misspelled(of, f"input '{name}'", _INPUT_KEYS)
        yield InputSource(
            name=name,
            type=reader.type(of, f"input '{name}'", span),
            default=reader.value(of, "default"),
            description=str(reader.value(of, "description") or ""),
            is_chat_input=reader.flag(of, "is_chat_input"),
            is_chat_history=reader.flag(of, "is_chat_history"),
            span=span,
        )


def _outputs(reader: Reader, fields: dict[str, Entry]) -> Iterator[OutputSource]:
    for name, span, mapping in reader.named_mappings(fields.get("outputs"), "output"):
        of = reader.fields(mapping)
        reader.warn_of_misspelled(of, f"output '{name}'", _OUTPUT_KEYS)
        yield OutputSource(
            name=name,
            type=reader.type(of, f"output '{name}'", span),
            reference=reader.value(of, "reference"),
            description=str(reader.value(of, "description") or ""),
            evaluation_only=reader.flag(of, "evaluation_only"),
            is_chat_output=reader.flag(of, "is_chat_output"),
            span=of["reference"].span if "reference" in of else span,
        )


def _nodes(reader: Reader, fields: dict[str, Entry]) -> Iterator[NodeSource]:
    entry = fields.get("nodes")
    if entry is None or is_null(entry.value):
        return
    if not isinstance(entry.value, Sequence):
        reader.mistakes.append(entry.span.mistake("'nodes' must be a list"))
        return
    for item in entry.value.items:
        if not isinstance(item, Mapping):
            reader.mistakes.append(item.span.mistake("a node must be a mapping"))
            continue
        name = reader.text(reader.fields(item), "name", item.span)
        if name.text:
            yield _node(reader, name.text, item)
        else:
            reader.mistakes.append(item.span.mistake("a node has no 'name'"))


def _node(reader: Reader, name: str, mapping: Mapping) -> NodeSource:
    of = reader.fields(mapping)
    reader.warn_of_misspelled(of, f"node '{name}'", _NODE_KEYS)
    source_entry = of.get("source")
    source_mapping = reader.mapping(source_entry, f"'source' of node '{name}'")
    source = reader.fields(source_mapping) if source_mapping else {}
    source_span = source_entry.span if source_entry else mapping.span
    return NodeSource(
        name=name,
        type=reader.text(of, "type", mapping.span),
        source_type=reader.text(source, "type", source_span, "code"),
        source_path=reader.text(source, "path", source_span),
        connection=reader.text(of, "connection", mapping.span),
        api=reader.text(of, "api", mapping.span),
        module=reader.text(of, "module", mapping.span),
        inputs=tuple(_node_inputs(reader, name, of.get("inputs"))),
        activate=_activate(reader, name, of.get("activate")),
        aggregation=reader.flag(of, "aggregation") or reader.flag(of, "reduce"),
        use_variants=reader.flag(of, "use_variants"),
        span=mapping.span,
    )


def _node_inputs(reader: Reader, node: str, entry: Entry | None) -> Iterator[NodeInputSource]:
    mapping = reader.mapping(entry, f"'inputs' of node '{node}'")
    for given in mapping.entries if mapping else ():
        yield NodeInputSource(str(given.key), plain(given.value), given.span)


def _activate(reader: Reader, node: str, entry: Entry | None) -> ActivateSource | None:
    mapping = reader.mapping(entry, f"'activate' of node '{node}'")
    if mapping is None or entry is None:
        return None
    of = reader.fields(mapping)
    return ActivateSource(reader.value(of, "when"), reader.value(of, "is"), {"when", "is"} <= of.keys(), entry.span)


def _variants(reader: Reader, fields: dict[str, Entry]) -> Iterator[VariantsSource]:
    for node, span, mapping in reader.named_mappings(fields.get("node_variants"), "node_variant"):
        of = reader.fields(mapping)
        bodies: list[tuple[str, NodeSource]] = []
        for identity, _, variant in reader.named_mappings(of.get("variants"), "variant"):
            body = reader.mapping(reader.fields(variant).get("node"), f"'node' of variant '{identity}'")
            if body is not None:
                bodies.append((identity, _node(reader, node, body)))
        default_id = of.get("default_variant_id")
        yield VariantsSource(node, str(plain(default_id.value)) if default_id else "", tuple(bodies), span)


def _environment(reader: Reader, fields: dict[str, Entry]) -> Iterator[EnvironmentSource]:
    mapping = reader.mapping(fields.get("environment_variables"), "'environment_variables'")
    for entry in mapping.entries if mapping else ():
        value = plain(entry.value)
        text = json.dumps(value, default=str) if isinstance(value, list | dict) else str(value)
        yield EnvironmentSource(str(entry.key), text, entry.span)


def _additional_includes(reader: Reader, entry: Entry | None) -> Iterator[Text]:
    """A list of paths; one path alone counts as a list of one."""
    if entry is None or is_null(entry.value):
        return
    for item in entry.value.items if isinstance(entry.value, Sequence) else (entry.value,):
        if isinstance(item, Scalar) and isinstance(item.value, str) and item.value:
            yield Text(item.value, item.span)
        else:
            reader.mistakes.append(item.span.mistake("'additional_includes' must be a list of paths"))


def _sample(reader: Reader, path: Path) -> object:
    """The first element of the flow's samples, which swagger shows as the example."""
    if not path.is_file():
        return None
    span = SourceSpan(shown(path), 0)
    try:
        samples = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError) as problem:
        reader.mistakes.append(span.mistake(f"invalid JSON: {problem}"))
        return None
    if isinstance(samples, list) and samples:
        first: object = samples[0]
        return first
    reader.warnings.append(span.mistake("is not a JSON list with at least one sample, and is ignored"))
    return None
