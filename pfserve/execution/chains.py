"""A chain as one function of the frame: its steps, one after the other, each result into its slot."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from inspect import iscoroutine
from typing import Any, NamedTuple, TypeAlias

from pfserve.errors import RequestError, UserError
from pfserve.execution.calls import Call
from pfserve.execution.frame import BYPASSED, Frame
from pfserve.plan import Step
from pfserve.values import failure_of

LoopChain: TypeAlias = Callable[[Frame], Coroutine[Any, Any, None]]
ThreadChain: TypeAlias = Callable[[Frame], None]


class BoundStep(NamedTuple):
    """What remains of a step at run time."""

    name: str
    call: Call
    is_async: bool
    result: int


def bind(step: Step, call: Call) -> BoundStep:
    """The run-time part of a step."""
    return BoundStep(step.name, call, step.is_async, step.result)


def loop_chain(steps: list[BoundStep]) -> LoopChain:
    """The chain as a coroutine function.

    It raises the ``errors.RequestError`` of the step that failed. ``CancelledError`` passes if it is the task that is
    being cancelled; if it is the author's own it is a failure like any other.
    """

    async def run(frame: Frame) -> None:
        for name, call, is_async, result in steps:
            try:
                value = call(frame)
                if is_async and value is not BYPASSED:
                    value = await value  # type: ignore[misc]
            except RequestError:
                raise  # ours: a reference that cannot be read
            except BaseException as problem:
                if _is_cancellation(problem):
                    raise
                raise _failure(problem, name) from problem
            frame[result] = value

    return run


def thread_chain(steps: list[BoundStep]) -> ThreadChain:
    """The chain as a plain function. Raises only ``errors.RequestError``, whatever a step raises.

    A function that was not known to be async but gives a coroutine (a partial, a decorator that hides it) gets an
    event loop of its own for it, as in promptflow (contract section 5.1).
    """

    def run(frame: Frame) -> None:
        for name, call, _, result in steps:
            try:
                value = call(frame)
                if iscoroutine(value):
                    value = asyncio.run(value)
            except RequestError:
                raise
            except BaseException as problem:  # SystemExit too: the author's code ends its request, never a thread
                raise _failure(problem, name) from problem
            frame[result] = value

    return run


def _is_cancellation(problem: BaseException) -> bool:
    """Whether it is the running task that is being cancelled, not something that the author waited for."""
    if not isinstance(problem, asyncio.CancelledError):
        return False
    task = asyncio.current_task()
    return task is None or task.cancelling() > 0


def _failure(problem: BaseException, name: str) -> RequestError:
    if isinstance(problem, KeyboardInterrupt):  # the author's: signals of the process never become exceptions
        return UserError("Tool execution is canceled because: Received cancel request..")
    return failure_of(problem, name)
