"""What user code prints inside a step, as log lines that name its node (contract section 5.2).

``sys.stdout`` and ``sys.stderr`` are replaced once, for good. Which node prints is a matter of context, so requests
and nodes that run side by side are told apart. Outside of steps everything passes through.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterable
from contextvars import ContextVar
from typing import TextIO

NODE: ContextVar[str | None] = ContextVar("pfserve_node", default=None)
"""The node whose code runs; None outside of steps. Set in the contexts that chains and generators run in."""

UNFINISHED: ContextVar[dict[str, _Line] | None] = ContextVar("pfserve_unfinished", default=None)
"""The lines that were begun in this context, by stream; None where nothing was printed."""

LINE_CHARS = 8192  # a longer line is told in pieces

_TOLD_BY = {
    "stdout": (logging.getLogger("execution.flow"), logging.INFO),
    "stderr": (logging.getLogger("execution"), logging.WARNING),
}


def install() -> None:
    """Replace the standard streams of this process. Doing it again changes nothing."""
    if not isinstance(sys.stdout, Attributed):
        sys.stdout = Attributed(sys.stdout, "stdout")
    if not isinstance(sys.stderr, Attributed):
        sys.stderr = Attributed(sys.stderr, "stderr")


def tell_unfinished() -> None:
    """Tell the lines that lack their end. Called where a chain or a generator ends."""
    lines = UNFINISHED.get()
    if lines is not None:
        for line in lines.values():
            line.end()


class Attributed:
    """Stands for one of the standard streams, ``real``. What is not about writing text is the real one's affair."""

    def __init__(self, real: TextIO, name: str) -> None:
        self._real = real
        self._name = name

    def write(self, text: str) -> int:
        """Write as any text stream does; within a step, as lines of the log."""
        node = NODE.get()
        if node is None:
            return self._real.write(text)
        if not isinstance(text, str):
            raise TypeError(f"write() argument must be str, not {type(text).__name__}")
        self._line(node).add(text)
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        """Write one after the other."""
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> object:
        return getattr(self._real, name)

    def _line(self, node: str) -> _Line:
        lines = UNFINISHED.get()
        if lines is None:
            lines = {}
            UNFINISHED.set(lines)
        line = lines.get(self._name)
        if line is None or line.node != node:
            if line is not None:
                line.end()
            line = lines[self._name] = _Line(node, self._name)
        return line


class _Line:
    """The line that a node is writing on one stream."""

    def __init__(self, node: str, stream: str) -> None:
        self.node = node
        self._stream = stream
        self._pieces: list[str] = []
        self._chars = 0

    def add(self, text: str) -> None:
        whole, newline, rest = text.rpartition("\n")
        if newline:
            for line in (self._take() + whole).split("\n"):
                self._tell(line)
        if rest:
            self._pieces.append(rest)
            self._chars += len(rest)
            if self._chars > LINE_CHARS:
                self.end()

    def end(self) -> None:
        if self._pieces:
            self._tell(self._take())

    def _take(self) -> str:
        pieces, self._pieces, self._chars = self._pieces, [], 0
        return "".join(pieces)

    def _tell(self, line: str) -> None:
        text = line.rstrip("\r").rpartition("\r")[2]  # of a progress bar, what a terminal would show
        logger, level = _TOLD_BY[self._stream]
        within = NODE.set(None)  # whatever a handler writes to the streams is not the node's
        try:
            for start in range(0, max(1, len(text)), LINE_CHARS):
                piece = text[start : start + LINE_CHARS]
                logger.log(level, "[%s in line None (index starts from 0)] %s> %s", self.node, self._stream, piece)
        finally:
            NODE.reset(within)
