"""From a plan and inputs to outputs. What can be decided before a request comes is decided at construction."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import TypeAlias

from pfserve.execution.frame import Frame, frame_maker, output_reader
from pfserve.execution.graph import Graph
from pfserve.execution.lane import ThreadLane
from pfserve.execution.runners import Runner, runners_of
from pfserve.plan import Chain, Plan

Walk: TypeAlias = Callable[[Frame], Awaitable[None]]


class Executor:
    """Runs one plan, any number of requests at a time.

    ``lane`` is the worker's thread lane; None will do for a plan whose ``width`` is 0.
    """

    def __init__(self, plan: Plan, lane: ThreadLane | None) -> None:
        self._make_frame = frame_maker(plan)
        self._walk = _walk_of(plan.chains, runners_of(plan, lane))
        self._read_outputs = output_reader(plan.outputs)

    async def run(self, values: Mapping[str, object]) -> dict[str, object]:
        """Execute the flow for the decoded body of a request, and give its outputs in the order of declaration.

        Names that the flow does not declare are ignored. That required inputs are there is checked by the caller.

        Raises:
            RequestError: an input does not convert, a step failed, or a reference has no such property.
            CancelledError: the awaiting task was cancelled. What ran on the loop has ended; a thread may still run.
        """
        frame = self._make_frame(values)
        await self._walk(frame)
        return self._read_outputs(frame)


def _walk_of(chains: tuple[Chain, ...], runners: list[Runner]) -> Walk:
    if len(runners) == 1:
        return runners[0].run
    if _form_a_line(chains):
        return _line(runners)
    return Graph(chains, runners).walk


def _form_a_line(chains: tuple[Chain, ...]) -> bool:
    """Whether each chain needs the one before it, so that never two can run at once."""
    return all(index - 1 in chain.needs for index, chain in enumerate(chains) if index)


def _line(runners: list[Runner]) -> Walk:
    async def walk(frame: Frame) -> None:
        for runner in runners:
            await runner.run(frame)

    return walk
