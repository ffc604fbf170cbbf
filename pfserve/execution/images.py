"""The images of a request that have to be fetched before the walk."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import TypeAlias

from pfserve.errors import UserError
from pfserve.execution.fetch import Fetch, FetchProblem
from pfserve.execution.frame import Frame
from pfserve.plan import Plan
from pfserve.values import Hole, ImageProblem, Pending, image_failure

FillImages: TypeAlias = Callable[[Frame], Awaitable[None]]

AT_ONCE = 4
URLS = 16
LIMIT_BYTES = 64_000_000


def images_filler(plan: Plan, fetch: Fetch) -> FillImages | None:
    """A function that fetches what a new frame lacks; None if the frames of this plan lack nothing.

    It raises ``errors.UserError`` for the first image that cannot be had, and for too many or too large ones.
    """
    first = len(plan.inputs)
    slots = [slot for slot, spec in enumerate(plan.inputs) if spec.images is not None]
    slots += [first + index for index, value in enumerate(plan.literals) if isinstance(value, Pending)]
    if not slots:
        return None

    async def fill(frame: Frame) -> None:
        pending = [(slot, value) for slot in slots if isinstance(value := frame[slot], Pending)]
        if pending:
            await fetch_images([value for _, value in pending], fetch)
            for slot, value in pending:
                frame[slot] = value.value

    return fill


async def fetch_images(values: Iterable[Pending], fetch: Fetch) -> None:
    """Fetch what the values lack.

    Raises:
        UserError: an image cannot be had, or there are too many.
    """
    holes = [(value.input_name, hole) for value in values for hole in value.holes]
    if len(holes) > URLS:
        raise image_failure(holes[0][0], ImageProblem(f"One request may name at most {URLS} images by URL."))
    errand = _Errand(fetch)
    try:
        async with asyncio.TaskGroup() as group:
            for input_name, hole in holes:
                group.create_task(errand.fill(input_name, hole))
    except BaseExceptionGroup as problems:
        raise problems.exceptions[0] from None


class _Errand:
    """The images of one request on their way: a few at once, and so many bytes together."""

    def __init__(self, fetch: Fetch) -> None:
        self._fetch = fetch
        self._turn = asyncio.Semaphore(AT_ONCE)
        self._bytes_left = LIMIT_BYTES

    async def fill(self, input_name: str, hole: Hole) -> None:
        async with self._turn:
            try:
                data = await self._fetch(hole.wanted.url)
            except FetchProblem as problem:
                detail = f" {problem}" if str(problem) else ""
                raise image_failure(input_name, hole.wanted.problem(detail)) from problem
        self._bytes_left -= len(data)
        if self._bytes_left < 0:
            raise _too_large(input_name)
        hole.fill(data)


def _too_large(input_name: str) -> UserError:
    problem = ImageProblem(f"The images that one request names by URL may have {LIMIT_BYTES} bytes together.")
    return image_failure(input_name, problem)
