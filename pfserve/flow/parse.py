"""From the flow file to :class:`FlowSource`: the shape of ``flow.dag.yaml`` (contract 3.1 to 3.5), not its meaning."""

from __future__ import annotations

from collections.abc import Iterator

from pfserve.flow.document import Entry, Mapping, Sequence, plain
from pfserve.flow.parts import FlowText, shared_parts
from pfserve.flow.reader import Reader, is_null
from pfserve.flow.source import ActivateSource, FlowSource, NodeInputSource, NodeSource, VariantsSource

_NODE_KEYS = (
    *("name", "type", "source", "inputs", "activate", "use_variants", "aggregation", "connection", "api", "module"),
    *("reduce", "provider", "tool", "comment", "enable_cache", "skip"),  # without a meaning here, or of old
)


def dag_flow(text: FlowText) -> FlowSource:
    """A DAG flow's source. What is wrong with its shape is kept in ``mistakes``."""
    reader, fields = text.reader, text.fields
    return FlowSource(
        message_format=reader.text(fields, "message_format", text.document.span, "basic"),
        nodes=tuple(_nodes(reader, fields)),
        variants=tuple(_variants(reader, fields)),
        **shared_parts(text),
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
        source_tool=reader.text(source, "tool", source_span),
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
