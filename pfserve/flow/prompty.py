"""A ``.prompty`` file: YAML front matter between lines of dashes, and a template below (contract 4.2)."""

from __future__ import annotations

import re
from pathlib import Path
from typing import ClassVar

import msgspec

from pfserve.errors import CompileError
from pfserve.flow.document import Element, Mapping, Scalar, read_document
from pfserve.flow.locate import shown
from pfserve.flow.parts import FlowText, shared_parts
from pfserve.flow.reader import Reader
from pfserve.flow.source import FlowFile, SourceSpan, Text

_DASHES = re.compile(r"-{3,}[ \t]*(?:\n|\Z)")
_SHAPE = (
    "Illegal formatting of prompty. The prompt file is in markdown format and can be divided into two parts, the first "
    "part is in YAML format and contains connection and model information. The second part is the prompt template."
)


class PromptyText(msgspec.Struct, frozen=True):
    """The two parts of a file. ``template_line`` is the line on which the template begins."""

    document: Mapping
    template: str
    template_line: int
    preface_lines: int  # lines that are not blank, above the front matter


def read_prompty(content: bytes, file: str) -> PromptyText:
    """The parts of a file of that name.

    The front matter ends at the first line of dashes: those of a template, such as rulers, belong to it.

    Raises:
        CompileError: it has not got the two parts, or the first is no YAML.
    """
    whole = SourceSpan(file, 0)
    try:
        text = content.decode("utf-8-sig").replace("\r\n", "\n").replace("\r", "\n")
    except UnicodeDecodeError as problem:
        raise CompileError([whole.mistake(f"is not UTF-8: {problem.reason} at byte {problem.start}")]) from None
    opening = _dashes(text, 0)
    closing = _dashes(text, opening.end()) if opening else None
    if opening is None or closing is None:
        raise CompileError([whole.mistake(_SHAPE)])  # no line of dashes, or no second one
    above = text[: opening.start()]
    skipped = text.count("\n", 0, opening.end())  # so that YAML counts the lines of the file
    front = "\n" * skipped + text[opening.end() : closing.start()]
    document: Element = read_document(front.encode(), file)
    if isinstance(document, Scalar) and document.value is None:
        document = Mapping((), SourceSpan(file, skipped))
    if not isinstance(document, Mapping):
        raise CompileError([document.span.mistake("the front matter of a prompty is a mapping with 'model'")])
    return PromptyText(
        document=document,
        template=text[closing.end() :],
        template_line=text.count("\n", 0, closing.end()) + 1,
        preface_lines=sum(1 for line in above.split("\n") if line.strip()),
    )


def _dashes(text: str, start: int) -> re.Match[str] | None:
    """The next line of dashes that begins at ``start`` or later, where a line begins."""
    while True:
        found = _DASHES.match(text, start)
        if found is not None:
            return found
        newline = text.find("\n", start)
        if newline < 0:
            return None
        start = newline + 1


class PromptySource(FlowFile, frozen=True, kw_only=True):
    """A prompty: one prompt, and the model that it is put to."""

    kind: ClassVar[str] = "prompty"

    front: Mapping  # the front matter, with references that nobody has followed yet
    template: Text  # where it stands is its first line


def prompty_flow(path: Path, name: str, content: bytes) -> PromptySource:
    """A prompty's source. What is wrong with its shape is kept in ``mistakes``.

    Raises:
        CompileError: as :func:`read_prompty`.
    """
    parts = read_prompty(content, shown(path))
    reader = Reader()
    text = FlowText(path, name, content, parts.document, reader, reader.fields(parts.document))
    if parts.preface_lines:
        span = SourceSpan(parts.document.span.file, 1)
        reader.warnings.append(span.mistake("what stands above the first line of dashes is ignored"))
    return PromptySource(
        front=parts.document,
        template=Text(parts.template, SourceSpan(parts.document.span.file, parts.template_line)),
        **shared_parts(text),
    )
