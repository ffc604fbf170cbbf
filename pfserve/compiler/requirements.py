"""Which of the packages that a flow asks for are not installed. Nothing is installed here, and nothing imported."""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

import msgspec
from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from pfserve.compiler.findings import Findings
from pfserve.flow import FlowFile, SourceSpan

_USUAL = "requirements.txt"
_PROVIDED = frozenset(  # by pfserve itself, in any version
    {
        *("promptflow", "promptflow-core", "promptflow-devkit", "promptflow-tracing", "promptflow-tools"),
        *("promptflow-azure", "promptflow-recording"),
    }
)
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


def unmet(text: str) -> str:
    """What is wrong with a requirement here; nothing if it is met, does not count here, or is a path or URL alone."""
    if _is_place(text):
        return ""
    try:
        wanted = Requirement(text)
    except InvalidRequirement:
        return f"'{text}' is no requirement that can be read, and is not checked"
    if not _counts(wanted) or canonicalize_name(wanted.name) in _PROVIDED:
        return ""
    if problem := _problem(wanted):
        return f"the requirement '{text}' is not met: {problem}"
    return ""


def _problem(wanted: Requirement) -> str:
    try:
        installed = metadata.version(wanted.name)
    except metadata.PackageNotFoundError:
        return f"{wanted.name} is not installed"
    if wanted.specifier and not wanted.specifier.contains(installed, prereleases=True):
        return f"{wanted.name} {installed} is installed"
    lacking = ", ".join(sorted(set(_lacking_extras(wanted))))
    return f"of its extras {lacking} is not installed" if lacking else ""


def _is_place(text: str) -> bool:
    return "@" not in text and (
        "://" in text or text.startswith((".", "/")) or text.endswith((".whl", ".zip", ".tar.gz"))
    )


def _counts(wanted: Requirement, extra: str = "") -> bool:
    return wanted.marker is None or wanted.marker.evaluate({"extra": extra})


def _lacking_extras(wanted: Requirement) -> Iterator[str]:
    """The packages that the extras of an installed package bring, as far as they are missing."""
    for text in metadata.requires(wanted.name) or () if wanted.extras else ():
        needed = Requirement(text)
        if needed.marker is None or _counts(needed):
            continue  # needed by the package itself, without any extra
        if any(_counts(needed, extra) for extra in wanted.extras):
            try:
                metadata.version(needed.name)
            except metadata.PackageNotFoundError:
                yield needed.name
