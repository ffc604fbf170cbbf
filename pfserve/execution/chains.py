"""A chain as one function of the frame: its steps, one after the other, each result into its slot."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from inspect import iscoroutine
from typing import Any, NamedTuple, TypeAlias

from pfserve.errors import RequestError
from pfserve.execution.calls import Call
from pfserve.execution.failures import is_cancellation, node_failure
from pfserve.execution.frame import GIVEN_UP, Frame
from pfserve.execution.prints import NODE, UNFINISHED, tell_unfinished
from pfserve.plan import ABSENT, Step, StepKind

LoopChain: TypeAlias = Callable[[Frame], Coroutine[Any, Any, None]]
ThreadChain: TypeAlias = Callable[[Frame], None]


class BoundStep(NamedTuple):
    """What remains of a step at run time."""

    name: str
    call: Call
    is_async: bool
    prints: bool  # it runs code of the author's
    result: int
    wraps: bool


def bind(step: Step, call: Call) -> BoundStep:
    """The run-time part of a step."""
    return BoundStep(step.name, call, step.is_async, step.kind is StepKind.PYTHON, step.result, step.wraps)


def loop_chain(steps: list[BoundStep]) -> LoopChain:
    """The chain as a coroutine function. To be run in a context of its own.

    It raises the ``errors.RequestError`` of the step that failed. ``CancelledError`` passes if it is the task that is
    being cancelled; if it is the author's own it is a failure like any other.
    """

    async def run(frame: Frame) -> None:
        try:
            for name, call, is_async, prints, result, wraps in steps:
                if prints:
                    NODE.set(name)
                try:
                    value = call(frame)
                    if is_async and value is not ABSENT:
                        value = await value  # type: ignore[misc]
                except RequestError:
                    raise  # ours: a reference that cannot be read
                except BaseException as problem:
                    if is_cancellation(problem):
                        raise
                    raise node_failure(problem, name, wraps) from problem
                frame[result] = value
        finally:
            if UNFINISHED.get() is not None:
                tell_unfinished()

    return run


def thread_chain(steps: list[BoundStep]) -> ThreadChain:
    """The chain as a plain function, to be run in a context of its own.

    It raises only ``errors.RequestError``, whatever a step raises. Once the request is given up it begins no other
    step, and just ends: nobody waits for what comes of it. A function that was not known to be async but gives a
    coroutine (a partial, a decorator that hides it) gets an event loop of its own for it, as in promptflow
    (contract section 5.1).
    """

    def run(frame: Frame) -> None:
        try:
            for name, call, _, prints, result, wraps in steps:
                if frame[GIVEN_UP]:
                    return
                if prints:
                    NODE.set(name)
                try:
                    value = call(frame)
                    if iscoroutine(value):
                        value = asyncio.run(value)
                except RequestError:
                    raise
                except BaseException as problem:  # SystemExit too: the author's code ends its request, never a thread
                    raise node_failure(problem, name, wraps) from problem
                frame[result] = value
        finally:
            if UNFINISHED.get() is not None:
                tell_unfinished()

    return run
