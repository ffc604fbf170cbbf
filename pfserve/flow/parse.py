"""From the flow file to :class:`FlowSource`: the shape of ``flow.dag.yaml`` (contract 3.1 to 3.5), not its meaning."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from pfserve.errors import CompileError, Diagnostic
from pfserve.flow.document import Element, Entry, Mapping, Scalar, Sequence, plain, read_document
from pfserve.flow.locate import flow_name, locate_flow, shown
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
    reader = _Reader()
    fields = reader.fields(document)
    if "entry" in fields:
        raise CompileError([fields["entry"].span.mistake("flex flows ('entry') cannot be served by this version yet")])
    sample = _sample(reader, file.parent / "samples.json")
    return FlowSource(
        path=file,
        folder=file.parent,
        name=flow_name(file),
        span=whole,
        language=reader.text(fields, "language", document.span, "python"),
        message_format=reader.text(fields, "message_format", document.span, "basic"),
        inputs=tuple(_inputs(reader, fields)),
        outputs=tuple(_outputs(reader, fields)),
        nodes=tuple(_nodes(reader, fields)),
        variants=tuple(_variants(reader, fields)),
        environment_variables=tuple(_environment(reader, fields)),
        sample=sample,
        content=content,
        mistakes=tuple(reader.mistakes),
        warnings=tuple(reader.warnings),
    )


class _Reader:
    """Takes elements apart and remembers what does not have the right shape."""

    def __init__(self) -> None:
        self.mistakes: list[Diagnostic] = []
        self.warnings: list[Diagnostic] = []

    def fields(self, mapping: Mapping) -> dict[str, Entry]:
        """The entries by name."""
        return {str(entry.key): entry for entry in mapping.entries}

    def mapping(self, entry: Entry | None, what: str) -> Mapping | None:
        """The value of ``entry`` as a mapping; None where there is none."""
        if entry is None or _is_null(entry.value):
            return None
        if isinstance(entry.value, Mapping):
            return entry.value
        self.mistakes.append(entry.span.mistake(f"{what} must be a mapping"))
        return None

    def named_mappings(self, entry: Entry | None, what: str) -> Iterator[tuple[str, SourceSpan, Mapping]]:
        """The entries of a mapping whose values are mappings."""
        outer = self.mapping(entry, f"'{what}s'")
        for inner in outer.entries if outer else ():
            name = str(inner.key)
            mapping = self.mapping(inner, f"{what} '{name}'")
            if mapping is None and _is_null(inner.value):
                mapping = Mapping((), inner.span)
            if mapping is not None:
                yield name, inner.span, mapping

    def text(self, fields: dict[str, Entry], name: str, where: SourceSpan, default: str = "") -> Text:
        """A field that holds a text. A field that is absent or null gives ``default`` at ``where``."""
        entry = fields.get(name)
        if entry is None or _is_null(entry.value):
            return Text(default, where)
        if isinstance(entry.value, Scalar) and isinstance(entry.value.value, str):
            return Text(entry.value.value, entry.value.span)
        self.mistakes.append(entry.span.mistake(f"'{name}' must be a text"))
        return Text(default, entry.span)

    def flag(self, fields: dict[str, Entry], name: str) -> bool:
        """A field that holds true or false; absent or null is false."""
        entry = fields.get(name)
        if entry is None or _is_null(entry.value):
            return False
        if isinstance(entry.value, Scalar) and isinstance(entry.value.value, bool):
            return entry.value.value
        self.mistakes.append(entry.span.mistake(f"'{name}' must be true or false"))
        return False

    def value(self, fields: dict[str, Entry], name: str) -> object:
        """A field that holds anything; None where it is absent."""
        return plain(fields[name].value) if name in fields else None

    def type(self, fields: dict[str, Entry], what: str, span: SourceSpan) -> str:
        """The mandatory ``type`` of an input or output."""
        text = self.text(fields, "type", span).text
        if not text and _is_absent(fields, "type"):
            self.mistakes.append(span.mistake(f"{what} has no 'type'"))
        return text


def _inputs(reader: _Reader, fields: dict[str, Entry]) -> Iterator[InputSource]:
    for name, span, mapping in reader.named_mappings(fields.get("inputs"), "input"):
        of = reader.fields(mapping)
        yield InputSource(
            name=name,
            type=reader.type(of, f"input '{name}'", span),
            default=reader.value(of, "default"),
            description=str(reader.value(of, "description") or ""),
            is_chat_input=reader.flag(of, "is_chat_input"),
            is_chat_history=reader.flag(of, "is_chat_history"),
            span=span,
        )


def _outputs(reader: _Reader, fields: dict[str, Entry]) -> Iterator[OutputSource]:
    for name, span, mapping in reader.named_mappings(fields.get("outputs"), "output"):
        of = reader.fields(mapping)
        yield OutputSource(
            name=name,
            type=reader.type(of, f"output '{name}'", span),
            reference=reader.value(of, "reference"),
            description=str(reader.value(of, "description") or ""),
            evaluation_only=reader.flag(of, "evaluation_only"),
            is_chat_output=reader.flag(of, "is_chat_output"),
            span=of["reference"].span if "reference" in of else span,
        )


def _nodes(reader: _Reader, fields: dict[str, Entry]) -> Iterator[NodeSource]:
    entry = fields.get("nodes")
    if entry is None or _is_null(entry.value):
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


def _node(reader: _Reader, name: str, mapping: Mapping) -> NodeSource:
    of = reader.fields(mapping)
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
        inputs=tuple(_node_inputs(reader, name, of.get("inputs"))),
        activate=_activate(reader, name, of.get("activate")),
        aggregation=reader.flag(of, "aggregation") or reader.flag(of, "reduce"),
        use_variants=reader.flag(of, "use_variants"),
        span=mapping.span,
    )


def _node_inputs(reader: _Reader, node: str, entry: Entry | None) -> Iterator[NodeInputSource]:
    mapping = reader.mapping(entry, f"'inputs' of node '{node}'")
    for given in mapping.entries if mapping else ():
        yield NodeInputSource(str(given.key), plain(given.value), given.span)


def _activate(reader: _Reader, node: str, entry: Entry | None) -> ActivateSource | None:
    mapping = reader.mapping(entry, f"'activate' of node '{node}'")
    if mapping is None or entry is None:
        return None
    of = reader.fields(mapping)
    return ActivateSource(reader.value(of, "when"), reader.value(of, "is"), {"when", "is"} <= of.keys(), entry.span)


def _variants(reader: _Reader, fields: dict[str, Entry]) -> Iterator[VariantsSource]:
    for node, span, mapping in reader.named_mappings(fields.get("node_variants"), "node_variant"):
        of = reader.fields(mapping)
        bodies: list[tuple[str, NodeSource]] = []
        for identity, _, variant in reader.named_mappings(of.get("variants"), "variant"):
            body = reader.mapping(reader.fields(variant).get("node"), f"'node' of variant '{identity}'")
            if body is not None:
                bodies.append((identity, _node(reader, node, body)))
        default_id = of.get("default_variant_id")
        yield VariantsSource(node, str(plain(default_id.value)) if default_id else "", tuple(bodies), span)


def _environment(reader: _Reader, fields: dict[str, Entry]) -> Iterator[EnvironmentSource]:
    mapping = reader.mapping(fields.get("environment_variables"), "'environment_variables'")
    for entry in mapping.entries if mapping else ():
        value = plain(entry.value)
        text = json.dumps(value, default=str) if isinstance(value, list | dict) else str(value)
        yield EnvironmentSource(str(entry.key), text, entry.span)


def _sample(reader: _Reader, path: Path) -> object:
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


def _is_null(element: Element) -> bool:
    return isinstance(element, Scalar) and element.value is None


def _is_absent(fields: dict[str, Entry], name: str) -> bool:
    return name not in fields or _is_null(fields[name].value)
