"""From the flow file to :class:`FlexSource`: the shape of a flow with an ``entry`` (contract 4.1), not its meaning."""

from __future__ import annotations

import re
from collections.abc import Mapping as AnyMapping
from pathlib import Path

from pfserve.errors import CompileError
from pfserve.flow.document import Element, Entry, Mapping, Scalar, plain, read_document
from pfserve.flow.locate import shown
from pfserve.flow.parts import FlowText, read_inputs, shared_parts
from pfserve.flow.reader import Reader
from pfserve.flow.source import FlexSource

_FILE = re.compile(r"\$\{file:([^{}]+)\}")


def flex_flow(text: FlowText) -> FlexSource:
    """A flex flow's source. What is wrong with its shape is kept in ``mistakes``."""
    reader, fields = text.reader, text.fields
    samples = _Samples(reader, text.path.parent)
    parts = samples.mapping(fields.get("sample"), "'sample'")
    of = reader.fields(parts) if parts else {}
    return FlexSource(
        entry=reader.text(fields, "entry", text.document.span),
        code=reader.text(fields, "code", text.document.span),
        init=tuple(read_inputs(reader, fields, "init")),
        sample_inputs=samples.values(of, "inputs"),
        sample_init=samples.values(of, "init"),
        **shared_parts(text),
    )


class _Samples:
    """Reads ``sample``, whose parts may stand in files of their own: ``${file:path}``."""

    def __init__(self, reader: Reader, folder: Path) -> None:
        self._reader = reader
        self._folder = folder

    def values(self, of: AnyMapping[str, Entry], name: str) -> AnyMapping[str, object]:
        mapping = self.mapping(of.get(name), f"'{name}' of 'sample'")
        return {str(entry.key): plain(entry.value) for entry in mapping.entries} if mapping else {}

    def mapping(self, entry: Entry | None, what: str) -> Mapping | None:
        if entry is None:
            return None
        value = self._followed(entry)
        return None if value is None else self._reader.mapping(Entry(entry.key, value, entry.span), what)

    def _followed(self, entry: Entry) -> Element | None:
        """The value, or what the file holds that it refers to; None, with a warning, if that cannot be read."""
        value = entry.value
        if not isinstance(value, Scalar) or not isinstance(value.value, str):
            return value
        reference = _FILE.fullmatch(value.value.strip())
        if reference is None:
            return value
        path = self._folder / reference[1].strip()
        try:
            return read_document(path.read_bytes(), shown(path))
        except OSError as problem:
            unread = f"the sample's file '{reference[1]}' cannot be read, and is ignored: {problem.strerror}"
            self._reader.warnings.append(value.span.mistake(unread))
        except CompileError as problem:
            self._reader.warnings.extend(problem.diagnostics)
        return None
