"""What a flow's requirements files ask for, line by line. Nothing is installed here."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import msgspec

from pfserve.compiler.findings import Findings
from pfserve.flow import FlowFile, SourceSpan

_USUAL = "requirements.txt"
_FILES_DEEP = 10
_OPTION = re.compile(r"\s--[a-z][a-z-]*.*$")  # of one requirement: hashes, config settings
_OTHER_FILE = re.compile(r"(?:-r|--requirement)[\s=]*(.+)")


class Line(msgspec.Struct, frozen=True):
    """One requirement as it stands in a file."""

    text: str
    span: SourceSpan


def check_requirements(source: FlowFile, findings: Findings) -> None:
    """Warn of every requirement that this environment does not meet: what is wanted, and what is installed."""
    for file, span in _files(source, findings):
        for line in read_requirements(file, source.shown(file), findings, span):
            from pfserve.compiler.unmet import unmet  # takes long to import: only where there is a requirement

            if problem := unmet(line.text):
                findings.warning(line.span, problem)


def _files(source: FlowFile, findings: Findings) -> Iterator[tuple[Path, SourceSpan]]:
    named = source.requirements.text
    usual = source.folder / _USUAL
    if named:
        file = source.folder / named
        if file.is_file():
            yield file, source.requirements.span
        else:
            findings.warning(source.requirements.span, f"there is no requirements file '{named}'")
    if usual.is_file() and (not named or usual.resolve() != (source.folder / named).resolve()):
        yield usual, source.span


def read_requirements(
    file: Path, shown: str, findings: Findings, asked_by: SourceSpan, deep: int = 0
) -> Iterator[Line]:
    """The requirements of a file and of those that it includes. Options of pip say nothing about what is needed."""
    try:
        text = file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeError) as problem:
        findings.warning(asked_by, f"the requirements file '{shown}' cannot be read: {problem}")
        return
    for number, line in _logical_lines(text):
        span = SourceSpan(shown, number)
        if other := _OTHER_FILE.fullmatch(line):
            if deep < _FILES_DEEP:
                below = Path(shown).parent / other[1]
                yield from read_requirements(file.parent / other[1], str(below), findings, span, deep + 1)
        elif not line.startswith("-"):
            yield Line(_OPTION.sub("", line), span)


def _logical_lines(text: str) -> Iterator[tuple[int, str]]:
    """Lines without comments, those that end in a backslash joined with what follows; with their numbers."""
    joined, first = "", 0
    for number, line in enumerate(text.splitlines(), 1):
        first = first if joined else number
        joined += re.sub(r"(^|\s)#.*$", "", line)
        if joined.endswith("\\"):
            joined = joined[:-1]
            continue
        if joined.strip():
            yield first, joined.strip()
        joined = ""
    if joined.strip():
        yield first, joined.strip()
