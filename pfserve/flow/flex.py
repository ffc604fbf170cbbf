"""From the flow file to :class:`FlexSource`: the shape of a flow with an ``entry`` (contract 4.1), not its meaning."""

from __future__ import annotations

from collections.abc import Mapping

from pfserve.flow.document import Entry, plain
from pfserve.flow.parts import FlowText, read_inputs, shared_parts
from pfserve.flow.reader import Reader
from pfserve.flow.source import FlexSource


def flex_flow(text: FlowText) -> FlexSource:
    """A flex flow's source. What is wrong with its shape is kept in ``mistakes``."""
    reader, fields = text.reader, text.fields
    sample = reader.mapping(fields.get("sample"), "'sample'")
    samples = reader.fields(sample) if sample else {}
    return FlexSource(
        entry=reader.text(fields, "entry", text.document.span),
        init=tuple(read_inputs(reader, fields, "init")),
        sample_inputs=_values(reader, samples, "inputs"),
        sample_init=_values(reader, samples, "init"),
        **shared_parts(text),
    )


def _values(reader: Reader, samples: dict[str, Entry], name: str) -> Mapping[str, object]:
    mapping = reader.mapping(samples.get(name), f"'{name}' of 'sample'")
    return {str(entry.key): plain(entry.value) for entry in mapping.entries} if mapping else {}
