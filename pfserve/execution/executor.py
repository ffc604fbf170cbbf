"""From a plan and inputs to outputs. What can be decided before a request comes is decided at construction."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import TypeAlias

from pfserve.errors import UserError
from pfserve.execution.fetch import Fetch, ImageFetcher
from pfserve.execution.frame import GIVEN_UP, Frame, frame_maker, output_reader, progress_reader
from pfserve.execution.graph import Graph
from pfserve.execution.images import images_filler
from pfserve.execution.lane import ThreadLane
from pfserve.execution.models import with_models
from pfserve.execution.objects import with_objects
from pfserve.execution.runners import Runner, runners_of
from pfserve.execution.streams import NO_GENERATORS, Streams
from pfserve.llm import Models
from pfserve.plan import Plan

Walk: TypeAlias = Callable[[Frame], Awaitable[None]]


class Executor:
    """Runs one plan, any number of requests at a time.

    ``lane`` is the worker's thread lane; None will do for a plan whose ``width`` is 0. ``models`` asks models, for a
    plan that does. ``streams`` is the lane of blocking generators that are streamed, not started yet; without it they
    share ``lane``. ``line_timeout_s`` bounds the walk through the plan: promptflow's PF_LINE_TIMEOUT_SEC. ``fetch``
    gets the images that are given by URL.
    """

    def __init__(
        self,
        plan: Plan,
        lane: ThreadLane | None,
        *,
        models: Models | None = None,
        streams: ThreadLane | None = None,
        line_timeout_s: float | None = None,
        fetch: Fetch | None = None,
    ) -> None:
        walk = _walk_of(plan, runners_of(with_models(with_objects(plan), models), lane))
        self._make_frame = frame_maker(plan)
        self._fill_images = images_filler(plan, fetch or ImageFetcher())
        self._walk = walk if line_timeout_s is None else _limited(walk, line_timeout_s)
        self._read_outputs = output_reader(plan)
        self._read_progress = progress_reader(plan)
        self._streaming = plan.streaming
        self._streams = Streams(plan, lane, streams or lane)

    async def run(self, values: Mapping[str, object], streaming: bool = False) -> dict[str, object]:
        """Execute the flow for the decoded body of a request, and give its outputs in the order of declaration.

        Names that the flow does not declare are ignored. That required inputs are there is checked by the caller.
        Outputs that are generators come as one text; with ``streaming`` as a :class:`Stream` each, for the caller to
        read and close.

        Raises:
            RequestError: an input does not convert, a step failed, or a reference has no such property.
            CancelledError: the awaiting task was cancelled. What ran on the loop has ended; a thread may still run.
                Its argument is a tuple of the names of the steps that were running.
        """
        frame = self._make_frame(values)
        if self._fill_images is not None:
            await self._fill_images(frame)
        if streaming and self._streaming is not None:
            frame[self._streaming] = True
        try:
            await self._walk(frame)
        except BaseException as problem:
            frame[GIVEN_UP] = True
            if isinstance(problem, asyncio.CancelledError):
                problem.args = (self._read_progress(frame),)
            raise
        outputs = self._read_outputs(frame)
        for value in outputs.values():
            if type(value) not in NO_GENERATORS:
                return self._streams.opened(outputs) if streaming else await self._streams.joined(outputs)
        return outputs


def _limited(walk: Walk, limit_s: float) -> Walk:
    async def run(frame: Frame) -> None:
        try:
            async with asyncio.timeout(limit_s):
                await walk(frame)
        except TimeoutError:  # ours: those of the author are failures of their nodes by now
            raise UserError(f"Line None execution timeout for exceeding {limit_s:.15g} seconds") from None

    return run


def _walk_of(plan: Plan, runners: list[Runner]) -> Walk:
    if len(runners) == 1:
        return runners[0].run
    if plan.is_linear:
        return _line(runners)
    return Graph(plan, runners).walk


def _line(runners: list[Runner]) -> Walk:
    async def walk(frame: Frame) -> None:
        for runner in runners:
            await runner.run(frame)

    return walk
