"""The python files of nodes: each is executed once per node, in a module of its own, and must define one tool."""

from __future__ import annotations

import contextlib
import importlib.util
import inspect
import sys
import traceback
from collections.abc import Callable
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import CodeType, FunctionType, ModuleType
from typing import Any

import msgspec

from pfserve.flow import SourceSpan
from pfserve.values import exception_text, is_tool

MODULE_NAME = "__pf_main__"  # what user code sees as __name__

_ONE_TOOL = "Please make sure you have one and only one tool definition in your script."


class Tool(msgspec.Struct, frozen=True):
    """The function of a python node and what its signature says."""

    function: Callable[..., object]
    is_async: bool
    parameters: dict[str, inspect.Parameter]  # those that can be given by name
    takes_any_name: bool  # it has **kwargs
    needs_positions: bool  # it has positional-only parameters, which nothing can give


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
        except SystemExit as problem:
            message = f"calls sys.exit on import (exit code {problem.code!r}); a server cannot import it"
            raise LoadProblem(self._where(problem, path), message) from None
        except BaseException as problem:  # the author's code may raise anything
            text = exception_text(problem)
            told = f"{type(problem).__name__}: {text}" if text else type(problem).__name__
            raise LoadProblem(self._where(problem, path), f"fails on import: {told}") from problem

    def _where(self, problem: BaseException, path: Path) -> SourceSpan:
        """The deepest place in the flow's own files that the exception came through."""
        places = [(frame.f_code.co_filename, line) for frame, line in traceback.walk_tb(problem.__traceback__)]
        if isinstance(problem, SyntaxError):  # of a module that the file imports
            places.append((problem.filename or "", problem.lineno or 0))
        own = [(Path(file), line) for file, line in places if Path(file).is_relative_to(self._folder)]
        file, line = own[-1] if own else (path, 0)
        return SourceSpan(self._show(file), line)

    def _tool(self, module: ModuleType, path: Path) -> Tool:
        whole = SourceSpan(self._show(path), 0)
        defined = _defined(module)
        tools = [value for value in defined if is_tool(value)]
        if len(tools) == 1:
            return self._read(tools[0], whole)
        if tools:
            names = ", ".join(tool.__name__ for tool in tools)
            raise LoadProblem(whole, f"Expected 1 but collected {len(tools)} tools: {names}. {_ONE_TOOL}")
        for value in defined:
            if isinstance(value, type) and any(is_tool(member) for member in vars(value).values()):
                unready = f"the tool is a method of class '{value.__name__}', which this version cannot run yet"
                raise LoadProblem(SourceSpan(whole.file, _line_of_class(value)), unready)
        raise LoadProblem(whole, f"No tool found in the python script. {_ONE_TOOL}")

    def _read(self, function: FunctionType, whole: SourceSpan) -> Tool:
        if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
            line = function.__code__.co_firstlineno
            unready = f"the tool '{function.__name__}' is a generator, which this version cannot run yet"
            raise LoadProblem(SourceSpan(whole.file, line), unready)
        try:
            parameters = inspect.signature(function).parameters.values()
        except (ValueError, TypeError) as problem:  # a decorator left a signature that is none
            raise LoadProblem(whole, f"the tool '{function.__name__}' has no readable signature: {problem}") from None
        by_name = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
        return Tool(
            function=function,
            is_async=inspect.iscoroutinefunction(function),
            parameters={parameter.name: parameter for parameter in parameters if parameter.kind in by_name},
            takes_any_name=any(parameter.kind is inspect.Parameter.VAR_KEYWORD for parameter in parameters),
            needs_positions=any(parameter.kind is inspect.Parameter.POSITIONAL_ONLY for parameter in parameters),
        )


def put_first_on_path(folder: Path) -> None:
    """Let the flow's files import each other, before anything else of the same name."""
    if sys.path[:1] != [str(folder)]:
        sys.path.insert(0, str(folder))


def _new_module(path: Path) -> ModuleType:
    loader = SourceFileLoader(MODULE_NAME, str(path))
    spec = importlib.util.spec_from_file_location(MODULE_NAME, path, loader=loader)
    assert spec is not None, "a path with a loader always gives a spec"
    return importlib.util.module_from_spec(spec)


def _defined(module: ModuleType) -> list[Any]:
    """The functions and classes that the module defines, not those it imports; each once, whatever names it has."""
    found = {id(value): value for value in vars(module).values() if issubclass(type(value), FunctionType | type)}
    return [value for value in found.values() if value.__module__ == MODULE_NAME]


def _line_of_class(kind: type) -> int:
    lines = [member.__code__.co_firstlineno for member in vars(kind).values() if is_tool(member)]
    return min(lines, default=0)
