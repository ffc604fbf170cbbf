"""Steps that call a model: their functions are made here, where the worker's client is."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Callable, Coroutine, Iterator
from typing import Any, TypeAlias

from msgspec.structs import replace

from pfserve.llm import Models
from pfserve.plan import Lane, Plan, Step
from pfserve.values.ambient import DEADLINE_S

_STREAM = "stream"
_END = object()

Ask: TypeAlias = Callable[..., Coroutine[Any, Any, object]]


def with_models(plan: Plan, models: Models | None) -> Plan:
    """The plan with a function of ``models`` in every step that has a call. Plans without such steps need none."""
    if not any(step.call for step in plan.steps):
        return plan
    assert models is not None, "a plan that calls models needs a client"
    return replace(plan, steps=tuple(_bound(step, plan, models) for step in plan.steps))


def _bound(step: Step, plan: Plan, models: Models) -> Step:
    if step.call is None:
        return step
    ask = models.bind(step.call)
    lanes = {other.lane for other in plan.steps for argument in other.arguments if argument.value.slot == step.result}
    if lanes and any(argument.name == _STREAM for argument in step.arguments):
        ask = _handing_on(ask, read_on_threads=lanes == {Lane.THREAD})
    return replace(step, function=ask, is_async=True)


def _handing_on(ask: Ask, *, read_on_threads: bool) -> Ask:
    """``ask``, with an ordinary generator in the place of an async one: that is what other nodes get in promptflow.

    Blocking readers get the pieces as they come. Who reads on the loop must not wait there, so for those all pieces are
    there before the first is read.
    """

    async def step(**arguments: object) -> object:
        answer = await ask(**arguments)
        if not isinstance(answer, AsyncGenerator):
            return answer
        if read_on_threads:
            return _pulled(answer, asyncio.get_running_loop())
        pieces = [piece async for piece in answer]
        return (piece for piece in pieces)

    return step


def _pulled(pieces: AsyncGenerator[object, None], loop: asyncio.AbstractEventLoop) -> Iterator[object]:
    """The pieces of a stream of the loop, for a thread. Closing the generator ends the model's work.

    Raises:
        TimeoutError: the request's deadline has passed.
    """
    try:
        while (piece := _wait(pieces, loop)) is not _END:
            yield piece
    finally:
        asyncio.run_coroutine_threadsafe(pieces.aclose(), loop)


def _wait(pieces: AsyncGenerator[object, None], loop: asyncio.AbstractEventLoop) -> object:
    deadline_s = DEADLINE_S.get()
    left_s = None if deadline_s is None else max(0.0, deadline_s - time.monotonic())
    future = asyncio.run_coroutine_threadsafe(_next(pieces), loop)
    try:
        return future.result(left_s)
    except TimeoutError:
        future.cancel()
        raise


async def _next(pieces: AsyncGenerator[object, None]) -> object:
    return await anext(pieces, _END)
