"""``${env:NAME}`` and ``${file:path}`` in the front matter of a prompty (contract 4.2)."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeAlias

from pfserve.config import snapshot
from pfserve.errors import CompileError
from pfserve.flow.document import Element, Entry, Scalar, Sequence, plain, read_document
from pfserve.flow.source import SourceSpan

_REFERENCE = re.compile(
    r"\$\{(\w+):(.*)\}"
)  # at the start of a text; what stands behind it is dropped, as in promptflow

Tell: TypeAlias = Callable[[SourceSpan, str], None]


class ReferenceProblem(Exception):
    """A file that a reference names cannot be read."""


class References:
    """Puts what references stand for in their place. ``folder`` is where relative paths begin.

    A variable that is not set leaves its reference as it is, and is noted in ``unset``.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._environ: Mapping[str, str] = snapshot()
        self.unset: list[str] = []

    def within(self, value: object) -> object:
        """The value with everything resolved in it, at any depth of lists and dicts.

        Raises:
            ReferenceProblem: a file cannot be read.
        """
        if isinstance(value, str):
            return self._text(value)
        if isinstance(value, list):
            return [self.within(item) for item in value]
        if isinstance(value, dict):
            return {name: self.within(item) for name, item in value.items()}
        return value

    def within_file(self, element: Element, mistake: Tell, warning: Tell) -> object:
        """The same for a part of a file: what is wrong is told with its line."""
        if isinstance(element, Sequence):
            return [self.within_file(item, mistake, warning) for item in element.items]
        if not isinstance(element, Scalar):
            return {entry.key: self.within_file(entry.value, mistake, warning) for entry in element.entries}
        known = len(self.unset)
        try:
            found = self.within(plain(element))
        except ReferenceProblem as problem:
            mistake(element.span, str(problem))
            return None
        for name in self.unset[known:]:
            warning(element.span, f"the environment variable {name} is not set: the text ${{env:{name}}} stays")
        return found

    def _text(self, text: str) -> object:
        reference = _REFERENCE.match(text)
        if reference is None:
            return text
        kind, name = reference.groups()
        if kind == "file":
            return self._file(name)
        if kind != "env":
            return text
        if name not in self._environ:
            self.unset.append(name)
        return self._environ.get(name, text)

    def _file(self, name: str) -> object:
        path = self._folder / name
        try:
            content = path.read_bytes()
            match path.suffix.lower():
                case ".json":
                    return json.loads(content)
                case ".yaml" | ".yml":
                    return plain(read_document(content, name))
            return content.decode()
        except FileNotFoundError:
            raise ReferenceProblem(f"Cannot find the reference file {name}.") from None
        except OSError as problem:
            raise ReferenceProblem(f"the reference file {name} cannot be read: {problem.strerror}") from None
        except (ValueError, RecursionError, CompileError) as problem:
            raise ReferenceProblem(f"the reference file {name} cannot be read: {problem}") from None


def entry_named(entries: tuple[Entry, ...], name: str) -> Entry | None:
    """The entry of that name."""
    return next((entry for entry in entries if entry.key == name), None)
