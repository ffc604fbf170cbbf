"""What the passes find: mistakes, which end the compilation, and warnings, which travel with the plan."""

from __future__ import annotations

from collections.abc import Iterable

from pfserve.errors import CompileError, Diagnostic
from pfserve.flow import SourceSpan


class Findings:
    """Collects, so that the author sees every mistake at once."""

    def __init__(self, mistakes: Iterable[Diagnostic] = (), warnings: Iterable[Diagnostic] = ()) -> None:
        self._mistakes = list(mistakes)
        self._warnings = list(warnings)

    def mistake(self, span: SourceSpan, message: str) -> None:
        """The flow cannot be served because of this."""
        self._mistakes.append(span.mistake(message))

    def warning(self, span: SourceSpan, message: str) -> None:
        """The flow can be served, but its author should know this."""
        self._warnings.append(span.mistake(message))

    def raise_mistakes(self) -> None:
        """Raise :class:`CompileError` if there is any mistake."""
        if self._mistakes:
            raise CompileError(self._mistakes, self.warnings)

    @property
    def has_mistakes(self) -> bool:
        """Whether there is any mistake so far."""
        return bool(self._mistakes)

    @property
    def warnings(self) -> tuple[str, ...]:
        """The warnings as lines, in the order of file and line."""
        return tuple(str(warning) for warning in sorted(set(self._warnings)))
