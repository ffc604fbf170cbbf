"""What flow files of every kind have: inputs, outputs, environment variables, includes, a sample."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from pfserve.flow.document import Entry, Mapping, Scalar, Sequence, plain
from pfserve.flow.locate import shown
from pfserve.flow.reader import Reader, is_null
from pfserve.flow.source import EnvironmentSource, InputSource, OutputSource, SourceSpan, Text

_INPUT_KEYS = ("type", "default", "description", "enum", "is_chat_input", "is_chat_history")
_OUTPUT_KEYS = ("type", "reference", "description", "evaluation_only", "is_chat_output")


class FlowText(msgspec.Struct, frozen=True):
    """A flow file, its YAML read and taken apart at the top."""

    path: Path
    name: str
    content: bytes
    document: Mapping
    reader: Reader
    fields: dict[str, Entry]  # of the document


def shared_parts(text: FlowText) -> dict[str, Any]:
    """The fields of :class:`~pfserve.flow.source.FlowFile`. To be asked for last: it takes the reader's mistakes."""
    reader, fields = text.reader, text.fields
    return {
        "path": text.path,
        "folder": text.path.parent,
        "name": text.name,
        "span": SourceSpan(text.document.span.file, 0),
        "language": reader.text(fields, "language", text.document.span, "python"),
        "inputs": tuple(read_inputs(reader, fields)),
        "outputs": tuple(_outputs(reader, fields)),
        "environment_variables": tuple(_environment(reader, fields)),
        "additional_includes": tuple(_additional_includes(reader, fields.get("additional_includes"))),
        "requirements": _requirements(reader, fields),
        "sample": _sample(reader, text.path.parent / "samples.json"),
        "content": text.content,
        "mistakes": tuple(reader.mistakes),
        "warnings": tuple(reader.warnings),
    }


def read_inputs(reader: Reader, fields: dict[str, Entry], section: str = "inputs") -> Iterator[InputSource]:
    """The entries of ``inputs``, or of another ``section`` of the same shape."""
    noun = section.removesuffix("s")
    for name, span, mapping in reader.named_mappings(fields.get(section), noun):
        of = reader.fields(mapping)
        reader.warn_of_misspelled(of, f"{noun} '{name}'", _INPUT_KEYS)
        yield InputSource(
            name=name,
            type=reader.type(of, f"{noun} '{name}'", span),
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


def _requirements(reader: Reader, fields: dict[str, Entry]) -> Text:
    entry = fields.get("environment")
    nowhere = SourceSpan("", 0)
    if entry is None or not isinstance(entry.value, Mapping):  # a text there names a prepared environment
        return Text("", nowhere)
    return reader.text(reader.fields(entry.value), "python_requirements_txt", entry.span)


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
