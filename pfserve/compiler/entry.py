"""The entry of a flex flow: a function, or a class whose instances are called, and what is taken (contract 4.1)."""

from __future__ import annotations

import contextlib
import importlib
import inspect
from collections.abc import Callable
from pathlib import Path
from types import FunctionType, ModuleType

import msgspec

from pfserve.compiler.findings import Findings
from pfserve.compiler.python_file import failed_import, put_first_on_path, where_in
from pfserve.errors import did_you_mean
from pfserve.flow import FlexSource, SourceSpan


class Entry(msgspec.Struct, frozen=True):
    """What is called for each request. Of a class it is not bound yet."""

    function: Callable[..., object]
    kind: type | None
    name: str  # what messages call it
    parameters: tuple[inspect.Parameter, ...]  # of the call, those that have one name each
    returns: object  # the annotation
    span: SourceSpan  # where it is defined

    @property
    def is_async(self) -> bool:
        """Whether calling it gives a coroutine."""
        return inspect.iscoroutinefunction(self.function)

    @property
    def is_quick(self) -> bool:
        """Whether calling it blocks nothing: it gives a coroutine or an async generator."""
        return self.is_async or inspect.isasyncgenfunction(self.function)


def load_entry(source: FlexSource, findings: Findings) -> Entry | None:
    """Import the entry and look at it; None if it cannot be served, which is reported."""
    module_name, colon, name = source.entry.text.partition(":")
    if not (module_name and colon and name) or ":" in name:
        wrong = f"Invalid entry '{source.entry.text}'."
        findings.mistake(source.entry.span, f"{wrong}The entry should be in the format of '<module>:<function>'.")
        return None
    module = _import(source, module_name, findings)
    return None if module is None else _found(source, module, name, findings)


def _import(source: FlexSource, name: str, findings: Findings) -> ModuleType | None:
    if source.code.text:
        put_first_on_path((source.folder / source.code.text).resolve())
    put_first_on_path(source.folder)
    try:
        with contextlib.chdir(source.folder):
            return importlib.import_module(name)
    except KeyboardInterrupt:
        raise
    except BaseException as problem:  # the author's code may raise anything
        place = where_in(source.folder, problem)
        span = SourceSpan(source.shown(place[0]), place[1]) if place else source.entry.span
        findings.mistake(span, f"Failed to load python module '{name}': {failed_import(problem)}")
        return None


def _found(source: FlexSource, module: ModuleType, name: str, findings: Findings) -> Entry | None:
    found = getattr(module, name, None)
    if not isinstance(found, FunctionType | type):
        missing = f"Failed to collect flow entry '{source.entry.text}' in module '{module.__name__}'"
        hint = did_you_mean(name, _callables(module)) or _elsewhere(source, module)
        findings.mistake(source.entry.span, missing + hint)
        return None
    kind = found if isinstance(found, type) else None
    function = inspect.getattr_static(found, "__call__", None) if kind else found
    if not isinstance(function, FunctionType):
        findings.mistake(source.entry.span, f"Python class entry '{name}' does not have __call__ method.")
        return None
    try:
        return _entry(source, function, kind)
    except (ValueError, TypeError, NameError) as problem:  # a decorator left none; an annotation names nothing
        findings.mistake(source.entry.span, f"the entry '{name}' has no readable signature: {problem}")
        return None


def named_parameters(function: Callable[..., object]) -> tuple[inspect.Parameter, ...]:
    """The parameters but ``*args`` and ``**kwargs``.

    Raises:
        ValueError, TypeError: a decorator left a signature that is none.
    """
    many = (inspect.Parameter.VAR_KEYWORD, inspect.Parameter.VAR_POSITIONAL)
    return tuple(one for one in inspect.signature(function).parameters.values() if one.kind not in many)


def _elsewhere(source: FlexSource, module: ModuleType) -> str:
    """The end of a message about a module that is not the flow's, though the flow has one of that name."""
    own = source.folder / source.code.text / f"{module.__name__.replace('.', '/')}.py"
    loaded = getattr(module, "__file__", None) or "built into Python"
    if not own.is_file() or own == Path(loaded):
        return ""
    return f": that is {loaded}; give {source.shown(own)} another name"


def _callables(module: ModuleType) -> list[str]:
    return [name for name, value in vars(module).items() if isinstance(value, FunctionType | type)]


def _entry(source: FlexSource, function: FunctionType, kind: type | None) -> Entry:
    code = inspect.unwrap(function).__code__
    return Entry(
        function=function,
        kind=kind,
        name=function.__qualname__,
        parameters=named_parameters(function)[int(kind is not None) :],
        returns=inspect.signature(function).return_annotation,
        span=_span(source, code.co_filename, code.co_firstlineno),
    )


def _span(source: FlexSource, file: str, line: int) -> SourceSpan:
    own = Path(file).is_relative_to(source.folder)
    return SourceSpan(source.shown(Path(file)), line) if own else source.entry.span
