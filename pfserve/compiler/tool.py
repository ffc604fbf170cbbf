"""The tool that a module defines: a marked function, or a marked method of a provider class (contract 3.5)."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from types import FunctionType, ModuleType
from typing import Any, NamedTuple

import msgspec

from pfserve.compiler.signature import Parameter, Signature, read_signature
from pfserve.plan import Lane
from pfserve.values import is_tool, streaming_parameter

_ONE_TOOL = "Please make sure you have one and only one tool definition in your script."
_PROVIDER = "ToolProvider"


class Provider(msgspec.Struct, frozen=True):
    """The class whose method is the tool. An instance is made once, from literals."""

    kind: type
    method: str
    parameters: dict[str, Parameter]  # of its constructor
    tool_name: str  # what messages call the tool


class Tool(msgspec.Struct, frozen=True):
    """The function of a python node and what its signature says. That of a provider's tool is not bound yet."""

    function: Callable[..., object]
    is_async: bool  # calling it gives a coroutine
    signature: Signature
    provider: Provider | None = None

    @property
    def name(self) -> str:
        """What its author called the function."""
        return self.function.__name__

    @property
    def lane(self) -> Lane:
        """Where it is called. An async generator function only makes its generator; of a sync one this may not rely."""
        return Lane.LOOP if self.is_async or inspect.isasyncgenfunction(self.function) else Lane.THREAD

    @property
    def streaming(self) -> str:
        """The parameter that says whether a stream is wanted; empty if there is none."""
        name = streaming_parameter(self.function)
        return name if name in self.signature.parameters else ""


class ToolProblem(Exception):
    """The module gives no tool. Carries the line, 0 for none, and the message for the author."""

    def __init__(self, message: str, line: int = 0) -> None:
        super().__init__(message)
        self.message = message
        self.line = line


class _Found(NamedTuple):
    function: Callable[..., object]
    kind: type | None  # the provider class
    is_bound: bool  # its first parameter is the instance

    @property
    def name(self) -> str:
        return f"{self.kind.__name__}.{self.function.__name__}" if self.kind else self.function.__name__


def find_tool(module: ModuleType) -> Tool:
    """The one tool of a module.

    Raises:
        ToolProblem: there is none, or there are several, or it cannot be called.
    """
    defined = _defined(module)
    found = [*_functions(defined), *_methods(defined)]
    if not found:
        raise ToolProblem(f"No tool found in the python script. {_ONE_TOOL}{_hint(defined)}")
    if len(found) > 1:
        names = ", ".join(one.name for one in found)
        raise ToolProblem(f"Expected 1 but collected {len(found)} tools: {names}. {_ONE_TOOL}")
    try:
        return _read(found[0])
    except (ValueError, TypeError) as problem:  # a decorator left a signature that is none
        raise ToolProblem(f"the tool '{found[0].name}' has no readable signature: {problem}") from None


def tool_of_function(function: Callable[..., object]) -> Tool:
    """A function as a tool, whether its author marked it or not.

    Raises:
        TypeError, ValueError: it is none, or has no readable signature.
    """
    return _read(_Found(function, None, False))


def tool_of_class(kind: type, method: str, shown: str) -> Tool:
    """The method of a provider class as a tool that messages call ``shown``; raises as :func:`tool_of_function`.

    Raises:
        AttributeError: there is no such method.
        ToolProblem: constructor and method take an input of the same name.
    """
    member = inspect.getattr_static(kind, method)
    if isinstance(member, staticmethod | classmethod):
        return _read(_Found(getattr(kind, method), kind, False), shown)
    return _read(_Found(member, kind, True), shown)


def _read(found: _Found, shown: str = "") -> Tool:
    function = found.function
    signature = read_signature(function, bound=found.is_bound)
    provider = _provider(found, signature, shown or found.name) if found.kind else None
    return Tool(function, inspect.iscoroutinefunction(function), signature, provider)


def _provider(found: _Found, signature: Signature, shown: str) -> Provider:
    kind, function = found.kind, found.function
    assert kind is not None
    constructor = read_signature(kind.__init__, bound=True)  # type: ignore[misc]
    provider = Provider(kind, function.__name__, constructor.parameters, shown)
    if doubled := provider.parameters.keys() & signature.parameters.keys():
        names = ", ".join(sorted(doubled))
        problem = f"Duplicate inputs found from '{provider.method}' and \"__init__()\"!"
        raise ToolProblem(f"{problem} Both take: {names}", inspect.unwrap(function).__code__.co_firstlineno)
    return provider


def _defined(module: ModuleType) -> list[Any]:
    """The functions and classes that the module defines, not those it imports; each once, whatever names it has."""
    found = {id(value): value for value in vars(module).values() if issubclass(type(value), FunctionType | type)}
    return [value for value in found.values() if value.__module__ == module.__name__]


def _functions(defined: list[Any]) -> Iterator[_Found]:
    return (_Found(value, None, False) for value in defined if is_tool(value))


def _methods(defined: list[Any]) -> Iterator[_Found]:
    """The tools of provider classes, inherited ones too."""
    for kind in defined:
        if isinstance(kind, type) and _is_provider(kind):
            for name in dir(kind):
                member = inspect.getattr_static(kind, name)
                function = member.__func__ if isinstance(member, staticmethod) else member
                if is_tool(function):
                    yield _Found(function, kind, function is member)


def _is_provider(kind: type) -> bool:
    """Known by the name of a base class: that may be ours or promptflow's."""
    return any(base.__name__ == _PROVIDER for base in kind.__mro__[1:])


def _hint(defined: list[Any]) -> str:
    for kind in defined:
        if isinstance(kind, type) and any(is_tool(member) for member in vars(kind).values()):
            return f" (The class '{kind.__name__}' has one, but it does not derive from {_PROVIDER}.)"
    return ""
