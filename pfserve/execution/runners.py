"""A chain and the lane it runs on: within the walk that awaits it, or beside it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextvars import copy_context
from functools import partial
from typing import Any, NamedTuple, TypeAlias

from pfserve.execution.calls import step_calls
from pfserve.execution.chains import LoopChain, ThreadChain, bind, loop_chain, thread_chain
from pfserve.execution.frame import Frame
from pfserve.execution.isolation import isolated
from pfserve.execution.lane import ThreadLane
from pfserve.plan import Lane, Plan


class Running(NamedTuple):
    """A chain that was started beside the walk, and how to stop waiting for it."""

    future: asyncio.Future[Any]
    give_up: Callable[[], object]


class LoopRunner:
    """A chain on the event loop."""

    def __init__(self, chain: LoopChain) -> None:
        self._chain = chain

    def run(self, frame: Frame) -> Awaitable[None]:
        """Run it within the current task, in a context of its own."""
        return isolated(self._chain(frame))

    def start(self, frame: Frame) -> Running:
        """Run it in a task, which has a context of its own; giving up cancels the task."""
        task = asyncio.get_running_loop().create_task(self._chain(frame))
        return Running(task, task.cancel)


class ThreadRunner:
    """A chain on the thread lane; ``first`` if nothing of a request runs before it or beside it."""

    def __init__(self, chain: ThreadChain, lane: ThreadLane, first: bool) -> None:
        self._chain = chain
        self._lane = lane
        self._run = lane.run_first if first else lane.run

    def run(self, frame: Frame) -> Awaitable[None]:
        """Run it on a thread, in a context of its own."""
        return self._run(partial(copy_context().run, self._chain, frame))

    def start(self, frame: Frame) -> Running:
        """Queue it for a thread; giving up abandons it."""
        job = self._lane.submit(partial(copy_context().run, self._chain, frame))
        return Running(job.future, partial(self._lane.abandon, job))


Runner: TypeAlias = LoopRunner | ThreadRunner


def runners_of(plan: Plan, lane: ThreadLane | None) -> list[Runner]:
    """One runner for each chain of the plan, in the plan's order."""
    steps = [bind(step, call) for step, call in zip(plan.steps, step_calls(plan), strict=True)]
    runners: list[Runner] = []
    for chain in plan.chains:
        members = [steps[index] for index in chain.steps]
        if chain.lane is Lane.LOOP:
            runners.append(LoopRunner(loop_chain(members)))
        else:
            assert lane is not None, "a plan with blocking steps needs a thread lane"
            first = plan.starts_alone and not chain.needs
            runners.append(ThreadRunner(thread_chain(members), lane, first))
    return runners
