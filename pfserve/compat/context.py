"""What user code can see of the request that it works for, and how it takes that along to threads of its own."""

from __future__ import annotations

import concurrent.futures
import contextvars
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any, ClassVar, ParamSpec, Self, TypeVar

from pfserve import __version__
from pfserve.values.ambient import REQUEST_ID

P = ParamSpec("P")
R = TypeVar("R")

_USER_AGENT = f"pfserve/{__version__}"
_FLOW_ID = "default_flow_id"  # promptflow's for a flow that no workspace knows
_OTEL = "_otel_attributes"
_TRACKING = ("root_run_id", "flow_id", "run_mode", "batch_input_source", "execution_target")


_executed = "dag"


def executes(kind: str) -> None:
    """From now on contexts say that this kind of flow is executed."""
    global _executed  # noqa: PLW0603 - one flow a process
    _executed = kind


class OperationContext(dict[str, object]):
    """``promptflow.tracing._operation_context.OperationContext``: a dict whose keys are attributes too.

    Each request has its own, as promptflow's documentation says, not one that requests at the same time overwrite.
    It starts with what the process put into its own before, and what a step adds stays with that step's chain.
    """

    USER_AGENT_KEY: ClassVar[str] = "user_agent"
    REQUEST_ID_KEY: ClassVar[str] = "request_id"

    @classmethod
    def get_instance(cls) -> OperationContext:
        """The context of the request, or outside of requests that of the process."""
        held, request = _HELD.get(), REQUEST_ID.get()
        if held is None or held[0] != request:
            held = request, cls(held[1] if held else {})
            if request:
                held[1]._begin(request)
            _HELD.set(held)
        return held[1]

    @classmethod
    def set_instance(cls, instance: OperationContext) -> None:
        """Put another context in this one's place."""
        _HELD.set((REQUEST_ID.get(), instance))

    def _begin(self, request: str) -> None:
        told = {"request_id": request, "line_run_id": request, "execution_target": _executed}
        self.update(
            root_run_id=request,
            flow_id=_FLOW_ID,
            run_mode="Test",
            execution_target=_executed,
            request_id=request,
            **{_OTEL: told},
        )
        self.setdefault(self.USER_AGENT_KEY, _USER_AGENT)

    def __getattr__(self, name: str) -> object:
        try:
            return self[name]
        except KeyError:
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}") from None

    def __setattr__(self, name: str, value: object) -> None:
        self[name] = value

    def __delattr__(self, name: str) -> None:
        try:
            del self[name]
        except KeyError:
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}") from None

    def copy(self) -> Self:
        """Another context with the same values."""
        return type(self)(self)

    def get_user_agent(self) -> str:
        """Who asks, as the headers of calls say it."""
        return str(self.get(self.USER_AGENT_KEY, _USER_AGENT))

    def append_user_agent(self, user_agent: str) -> None:
        """Add a name to the user agent, once."""
        named = self.get_user_agent()
        if user_agent not in named:
            self[self.USER_AGENT_KEY] = f"{named} {user_agent}"

    def get_request_id(self) -> str:
        """The request's id; ``unknown`` outside of requests."""
        return str(self.get(self.REQUEST_ID_KEY, "unknown"))

    def get_context_dict(self) -> dict[str, object]:
        """The values as an ordinary dict."""
        return dict(self)

    def set_execution_target(self, execution_target: str) -> None:
        """Change what the context says is executed."""
        self["execution_target"] = execution_target

    def _get_tracking_info(self) -> dict[str, object]:
        return {key: self[key] for key in _TRACKING if key in self}

    def _get_otel_attributes(self) -> dict[str, object]:
        held = self.get(_OTEL)
        return dict(held) if isinstance(held, dict) else {}

    def _add_otel_attributes(self, key: str, value: object) -> None:
        self[_OTEL] = {**self._get_otel_attributes(), key: value}

    def _remove_otel_attributes(self, keys: list[str]) -> None:
        self[_OTEL] = {key: value for key, value in self._get_otel_attributes().items() if key not in keys}


_HELD: ContextVar[tuple[str, OperationContext] | None] = ContextVar("pfserve_operation_context", default=None)
"""The context of this chain, and the request that it was made for."""


class ThreadPoolExecutorWithContext(concurrent.futures.ThreadPoolExecutor):
    """``promptflow.tracing.ThreadPoolExecutorWithContext``: its threads know the request of who submits."""

    def submit(self, fn: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> concurrent.futures.Future[R]:
        """As the standard pool's, with a copy of the caller's context for each call."""
        context = contextvars.copy_context()
        return super().submit(_run, context, fn, *args, **kwargs)


def _run(context: contextvars.Context, function: Callable[..., R], /, *args: Any, **kwargs: Any) -> R:
    return context.run(function, *args, **kwargs)
