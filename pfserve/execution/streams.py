"""Outputs that are generators: joined to one text, or given out item by item (contract sections 1.6 and 5.4).

A blocking generator is pulled by one thread from its first item to its last, so thread-bound things within it stay
where they were made. Streams have a lane of their own: one whose client is slow keeps its thread, and no blocking
node waits for it.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator
from contextvars import copy_context
from functools import partial
from typing import TypeAlias

from pfserve.errors import RequestError
from pfserve.execution.failures import Origin, is_cancellation
from pfserve.execution.isolation import isolated
from pfserve.execution.lane import Job, ThreadLane
from pfserve.execution.prints import NODE, tell_unfinished
from pfserve.plan import Plan

AHEAD = 16  # items that a blocking generator may be ahead of its reader
CLOSE_S = 5.0  # how long an async generator may take to clean up behind itself

NO_GENERATORS = frozenset({str, int, float, bool, type(None), list, dict, tuple})
"""Types of most outputs: what a request pays for generators is to be found one of these."""

_log = logging.getLogger(__name__)

Outputs: TypeAlias = dict[str, object]


class Streams:
    """The generators among the outputs of one plan.

    ``blocking`` is the lane of the plan's blocking steps, where a generator that is wanted as one text is read to its
    end. ``streaming`` serves those that are given out, a thread each; it is started when first needed.
    """

    def __init__(self, plan: Plan, blocking: ThreadLane | None, streaming: ThreadLane | None) -> None:
        self._origins = {spec.name: Origin(spec.reference.owner if spec.reference else "") for spec in plan.outputs}
        self._returning = Origin(plan.returned.value.owner, wraps=True) if plan.returned else Origin("")
        self._streaming = streaming
        self._started = streaming is blocking
        self._joining = blocking if blocking is not None and blocking.threads else None

    async def joined(self, outputs: Outputs) -> Outputs:
        """The outputs, changed in place: the ``str()`` of all items instead of each generator.

        Raises:
            RequestError: a generator failed.
        """
        for name, value in outputs.items():
            if type(value) not in NO_GENERATORS:
                outputs[name] = await self._join(self._origin(name), value)
        return outputs

    def opened(self, outputs: Outputs) -> Outputs:
        """The outputs, changed in place: a :class:`Stream` instead of each generator. Who gets it has to close it."""
        for name, value in outputs.items():
            if type(value) not in NO_GENERATORS:
                outputs[name] = self._open(self._origin(name), value)
        return outputs

    def _origin(self, output: str) -> Origin:
        return self._origins.get(output, self._returning)

    async def _join(self, origin: Origin, value: object) -> object:
        if isinstance(value, AsyncIterator):
            return await isolated(_join_on_loop(origin, value))
        if isinstance(value, Iterator):
            return await _join_on_thread(origin, value, self._joining or self._lane())
        return value

    def _open(self, origin: Origin, value: object) -> object:
        if isinstance(value, AsyncIterator):
            return Stream(origin, value)
        if isinstance(value, Iterator):
            return Stream(origin, _Pulled(origin, value, self._lane()))
        return value

    def _lane(self) -> ThreadLane:
        assert self._streaming is not None, "a blocking generator needs a thread"
        if not self._started:
            self._started = True
            self._streaming.start()
        return self._streaming


class Stream:
    """The items of a generator as they come. For one reader, which must :meth:`aclose` it."""

    def __init__(self, origin: Origin, items: AsyncIterator[object]) -> None:
        self._origin = origin
        self._items = items
        NODE.set(origin.node)  # the reader's task runs no other node's code any more

    def __aiter__(self) -> Stream:
        return self

    async def __anext__(self) -> object:
        """The next item.

        Raises:
            RequestError: the generator failed.
        """
        try:
            return await self._items.__anext__()
        except (StopAsyncIteration, RequestError):
            raise
        except BaseException as problem:
            if is_cancellation(problem):
                raise
            raise self._origin.failure(problem) from problem

    async def aclose(self) -> None:
        """End the generator, wherever it is. A blocking one ends as soon as it gives its next item."""
        close = getattr(self._items, "aclose", None)
        try:
            if close is not None:
                async with asyncio.timeout(CLOSE_S):
                    await close()
        except Exception:  # the answer is given or its client gone: nobody else is left to be told
            _log.warning("the generator of node %r could not be closed", self._origin.node, exc_info=True)
        finally:
            tell_unfinished()


async def _join_on_loop(origin: Origin, items: AsyncIterator[object]) -> str:
    stream = Stream(origin, items)
    try:
        return "".join([str(item) async for item in stream])
    except RequestError:
        raise
    except Exception as problem:  # of str(), which is the author's code too
        raise origin.failure(problem) from problem
    finally:
        await stream.aclose()


async def _join_on_thread(origin: Origin, items: Iterator[object], lane: ThreadLane) -> str:
    parts: list[str] = []
    wanted = True

    def take(item: object) -> bool:
        parts.append(str(item))
        return wanted

    try:
        await lane.run(partial(copy_context().run, _pull, origin, items, take))
    finally:
        wanted = False  # a thread that is left behind stops at its next item
    return "".join(parts)


def _pull(origin: Origin, items: Iterator[object], take: Callable[[object], bool]) -> None:
    """On a thread: give every item to ``take`` until it wants no more. Raises only ``errors.RequestError``."""
    NODE.set(origin.node)
    try:
        for item in items:
            if not take(item):
                close = getattr(items, "close", None)
                if close is not None:
                    close()
                break
    except RequestError:
        raise
    except BaseException as problem:
        raise origin.failure(problem) from problem
    finally:
        tell_unfinished()


class _Pulled:
    """A blocking iterator as an async one. The thread waits while it is :data:`AHEAD` items ahead."""

    def __init__(self, origin: Origin, items: Iterator[object], lane: ThreadLane) -> None:
        self._origin = origin
        self._items = items
        self._lane = lane
        self._loop = asyncio.get_running_loop()
        self._job: Job[None] | None = None
        self._news: asyncio.Future[None] | None = None  # for which the reader waits
        # between reader and thread
        self._buffer: deque[object] = deque()
        self._room = threading.Event()
        self._waking = False  # a wake-up of the reader is under way; the thread sets it, the loop clears it
        self._stopped = False

    def __aiter__(self) -> _Pulled:
        return self

    async def __anext__(self) -> object:
        while not self._buffer:
            job = self._job or self._start()
            if job.future.done():
                job.future.result()
                raise StopAsyncIteration
            self._news = self._loop.create_future()
            await self._news
        item = self._buffer.popleft()
        if len(self._buffer) <= AHEAD // 2 and not self._room.is_set():
            self._room.set()
        return item

    async def aclose(self) -> None:
        self._stopped = True
        self._room.set()
        self._buffer.clear()
        job = self._job
        if job is None:
            return
        self._lane.abandon(job)
        if job.future.done() and not job.future.cancelled():
            job.future.exception()  # looked at, so that asyncio does not complain

    def _start(self) -> Job[None]:
        self._job = self._lane.submit(partial(copy_context().run, _pull, self._origin, self._items, self._take))
        self._job.future.add_done_callback(self._tell_reader)
        return self._job

    def _take(self, item: object) -> bool:
        """On the thread: hand an item over, and wait until there is room for another. False: no more."""
        if self._stopped:
            return False
        self._buffer.append(item)
        if not self._waking:
            self._waking = True
            self._loop.call_soon_threadsafe(self._wake)
        if len(self._buffer) >= AHEAD:
            self._room.clear()
            if len(self._buffer) >= AHEAD and not self._stopped:  # looked at again: the reader may have been quicker
                self._room.wait()
        return not self._stopped

    def _wake(self) -> None:
        self._waking = False  # before the reader looks: an item that comes after its look wakes it again
        self._tell_reader(None)

    def _tell_reader(self, _: object) -> None:
        if self._news is not None and not self._news.done():
            self._news.set_result(None)
