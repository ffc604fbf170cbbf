"""Takes a flow file's elements apart, and remembers what does not have the right shape."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from pfserve.errors import Diagnostic, did_you_mean
from pfserve.flow.document import Element, Entry, Mapping, Scalar, plain
from pfserve.flow.source import SourceSpan, Text


class Reader:
    """Takes elements apart and remembers what does not have the right shape."""

    def __init__(self) -> None:
        self.mistakes: list[Diagnostic] = []
        self.warnings: list[Diagnostic] = []

    def fields(self, mapping: Mapping) -> dict[str, Entry]:
        """The entries by name."""
        return {str(entry.key): entry for entry in mapping.entries}

    def mapping(self, entry: Entry | None, what: str) -> Mapping | None:
        """The value of ``entry`` as a mapping; None where there is none."""
        if entry is None or is_null(entry.value):
            return None
        if isinstance(entry.value, Mapping):
            return entry.value
        self.mistakes.append(entry.span.mistake(f"{what} must be a mapping"))
        return None

    def warn_of_misspelled(self, fields: dict[str, Entry], what: str, known: Iterable[str]) -> None:
        """Warn of names that are nearly known ones: like all unknown ones they mean nothing."""
        for name, entry in fields.items():
            hint = "" if name in known else did_you_mean(name, known)
            if hint:
                self.warnings.append(entry.span.mistake(f"{what} has the unknown key '{name}', which is ignored{hint}"))

    def named_mappings(self, entry: Entry | None, what: str) -> Iterator[tuple[str, SourceSpan, Mapping]]:
        """The entries of a mapping whose values are mappings."""
        outer = self.mapping(entry, f"'{what}s'")
        for inner in outer.entries if outer else ():
            name = str(inner.key)
            mapping = self.mapping(inner, f"{what} '{name}'")
            if mapping is None and is_null(inner.value):
                mapping = Mapping((), inner.span)
            if mapping is not None:
                yield name, inner.span, mapping

    def text(self, fields: dict[str, Entry], name: str, where: SourceSpan, default: str = "") -> Text:
        """A field that holds a text. A field that is absent or null gives ``default`` at ``where``."""
        entry = fields.get(name)
        if entry is None or is_null(entry.value):
            return Text(default, where)
        if isinstance(entry.value, Scalar) and isinstance(entry.value.value, str):
            return Text(entry.value.value, entry.value.span)
        self.mistakes.append(entry.span.mistake(f"'{name}' must be a text"))
        return Text(default, entry.span)

    def flag(self, fields: dict[str, Entry], name: str) -> bool:
        """A field that holds true or false; absent or null is false."""
        entry = fields.get(name)
        if entry is None or is_null(entry.value):
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


def is_null(element: Element) -> bool:
    """Whether the element is YAML's null."""
    return isinstance(element, Scalar) and element.value is None


def _is_absent(fields: dict[str, Entry], name: str) -> bool:
    return name not in fields or is_null(fields[name].value)
