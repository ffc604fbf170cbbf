"""Names that flow code calls for the sake of tools that are not there when a flow is served: they do nothing."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import ParamSpec, TypeVar, overload

P = ParamSpec("P")
R = TypeVar("R")


def log_metric(key: str, value: float, variant_id: str | None = None) -> None:
    """Do nothing: metrics of a flow belong to batch runs."""


@overload
def trace(func: Callable[P, R], /) -> Callable[P, R]: ...


@overload
def trace(func: None = None) -> Callable[[Callable[P, R]], Callable[P, R]]: ...


def trace(func: Callable[P, R] | None = None) -> Callable[P, R] | Callable[[Callable[P, R]], Callable[P, R]]:
    """Give back the function itself, as promptflow calls straight through while tracing is off."""
    return _unchanged if func is None else func


def _unchanged(function: Callable[P, R]) -> Callable[P, R]:
    return function


def start_trace(
    *,
    resource_attributes: dict[str, object] | None = None,
    collection: str | None = None,
    **kwargs: object,
) -> None:
    """Do nothing: a server's traces are set up by its operator."""


class PromptFlowCallbackHandler:
    """Gives a handler of LangChain's own that does nothing: promptflow's passes events on to its traces.

    Raises:
        ImportError: LangChain is not installed.
    """

    def __new__(cls, *args: object, **kwargs: object) -> object:  # type: ignore[misc]  # noqa: D102
        for library in ("langchain_core.callbacks", "langchain.callbacks.base"):
            try:
                return importlib.import_module(library).BaseCallbackHandler()
            except ImportError:
                continue
        raise ImportError("PromptFlowCallbackHandler needs LangChain: pip install langchain")
