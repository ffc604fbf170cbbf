"""The python files of nodes: each is executed once per node, in a module of its own, and must define one tool."""

from __future__ import annotations

import contextlib
import importlib.util
import sys
import traceback
from collections.abc import Callable
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import CodeType, ModuleType

from pfserve.compiler.tool import Tool, ToolProblem, find_tool
from pfserve.flow import SourceSpan
from pfserve.values import exception_text

MODULE_NAME = "__pf_main__"  # what user code sees as __name__


class LoadProblem(Exception):
    """The file gives no tool. Carries the place and the message for the author."""

    def __init__(self, span: SourceSpan, message: str) -> None:
        super().__init__(message)
        self.span = span
        self.message = message


class PythonFiles:
    """Loads the python files of one flow. A file's source is compiled once, however many nodes use it."""

    def __init__(self, folder: Path, show: Callable[[Path], str]) -> None:
        self._folder = folder
        self._show = show
        self._codes: dict[Path, CodeType] = {}

    def load(self, path: Path) -> Tool:
        """Execute the file in a new module and find its tool.

        The folder of the flow is the current directory meanwhile; as the first entry of ``sys.path`` it stays.

        Raises:
            LoadProblem: the file cannot be compiled or executed, or does not define exactly one tool.
        """
        code = self._code(path)
        module = _new_module(path)
        put_first_on_path(self._folder)
        with contextlib.chdir(self._folder):
            self._execute(code, module, path)
        return self._tool(module, path)

    def _code(self, path: Path) -> CodeType:
        if path not in self._codes:
            try:
                self._codes[path] = compile(path.read_bytes(), str(path), "exec", dont_inherit=True)
            except SyntaxError as problem:
                span = SourceSpan(self._show(path), problem.lineno or 0)
                raise LoadProblem(span, f"{type(problem).__name__}: {problem.msg}") from None
            except (ValueError, OSError, RecursionError, MemoryError) as problem:  # null bytes, no permission, too deep
                message = f"cannot be read: {type(problem).__name__}: {problem}"
                raise LoadProblem(SourceSpan(self._show(path), 0), message) from None
        return self._codes[path]

    def _execute(self, code: CodeType, module: ModuleType, path: Path) -> None:
        try:
            exec(code, module.__dict__)
        except KeyboardInterrupt:
            raise
        except BaseException as problem:  # the author's code may raise anything
            file, line = where_in(self._folder, problem) or (path, 0)
            raise LoadProblem(SourceSpan(self._show(file), line), failed_import(problem)) from problem

    def _tool(self, module: ModuleType, path: Path) -> Tool:
        try:
            return find_tool(module)
        except ToolProblem as problem:
            raise LoadProblem(SourceSpan(self._show(path), problem.line), problem.message) from None


def failed_import(problem: BaseException) -> str:
    """What is told of an exception that the author's code raised while it was imported."""
    if isinstance(problem, SystemExit):
        return f"calls sys.exit on import (exit code {problem.code!r}); a server cannot import it"
    text = exception_text(problem)
    return (
        f"fails on import: {type(problem).__name__}: {text}" if text else f"fails on import: {type(problem).__name__}"
    )


def where_in(folder: Path, problem: BaseException) -> tuple[Path, int] | None:
    """The deepest place in the flow's own files that the exception came through."""
    places = [(frame.f_code.co_filename, line) for frame, line in traceback.walk_tb(problem.__traceback__)]
    if isinstance(problem, SyntaxError):  # of a module that the file imports
        places.append((problem.filename or "", problem.lineno or 0))
    own = [(Path(file), line) for file, line in places if Path(file).is_relative_to(folder)]
    return own[-1] if own else None


def put_first_on_path(folder: Path) -> None:
    """Let the flow's files import each other, before anything else of the same name."""
    if sys.path[:1] != [str(folder)]:
        sys.path.insert(0, str(folder))


def _new_module(path: Path) -> ModuleType:
    loader = SourceFileLoader(MODULE_NAME, str(path))
    spec = importlib.util.spec_from_file_location(MODULE_NAME, path, loader=loader)
    assert spec is not None, "a path with a loader always gives a spec"
    return importlib.util.module_from_spec(spec)
