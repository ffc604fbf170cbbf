"""Asking a model from code that waits for the answer: how ``promptflow.tools`` calls the client of room ``llm``.

The client lives on an event loop, its callers do not. They wait on threads of the lane, or, where an async node calls
a function that waits, on the worker's own loop. So the client gets a thread with a loop of its own, one in a process,
started by the first question: whoever asks, nobody waits for himself. No process pays for it whose flow never asks.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import functools
import logging
import os
import threading
import time
from collections.abc import AsyncGenerator, Callable, Coroutine, Iterator
from typing import TYPE_CHECKING, Any, TypeVar

from pfserve.compat.tools.exception import UNANSWERED, told
from pfserve.errors import RequestError
from pfserve.values.ambient import DEADLINE_S

if TYPE_CHECKING:
    from pfserve.llm import Models

T = TypeVar("T")

_log = logging.getLogger("pfserve")
_END = object()
_CLOSING_S = 5.0
_threads: dict[int, ModelThread] = {}  # by process id
_starting = threading.Lock()  # protects _threads


def ask(question: Callable[[Models], Coroutine[Any, Any, T]]) -> T:
    """Wait for a model's answer, at most until the request's deadline.

    An async generator in place of an answer comes back as an ordinary one.

    Raises:
        UserErrorException: of the class and text that promptflow-tools would raise.
    """
    thread = _thread()
    answer = thread.wait(question(thread.models))
    return _pulled(thread, answer) if isinstance(answer, AsyncGenerator) else answer  # type: ignore[return-value]


async def ask_async(question: Callable[[Models], Coroutine[Any, Any, T]]) -> T:
    """Await a model's answer: by the worker's own client on its loop, by the thread's on every other loop.

    Raises what the question raises.
    """
    from pfserve.llm import models_here

    here = models_here()
    if here is not None:
        return await question(here)
    thread = _thread()
    answer = await asyncio.wrap_future(thread.start(question(thread.models)))
    return _fetched(thread, answer) if isinstance(answer, AsyncGenerator) else answer  # type: ignore[return-value]


async def _fetched(thread: ModelThread, pieces: AsyncGenerator[object, None]) -> AsyncGenerator[object, None]:
    """The pieces of a stream of the thread's loop, on another loop."""
    try:
        while (piece := await asyncio.wrap_future(thread.start(_next(pieces)))) is not _END:
            yield piece
    finally:
        thread.start(pieces.aclose())


def _pulled(thread: ModelThread, pieces: AsyncGenerator[object, None]) -> Iterator[object]:
    """The pieces, each fetched when it is asked for. Closing the generator ends the model's work."""
    try:
        while (piece := thread.wait(_next(pieces))) is not _END:
            yield piece
    finally:
        thread.start(pieces.aclose())


async def _next(pieces: AsyncGenerator[object, None]) -> object:
    return await anext(pieces, _END)


class ModelThread:
    """A thread, its loop, and the models that are asked on it."""

    def __init__(self, models: Models) -> None:
        self.models = models
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="pfserve-models", daemon=True)

    def run(self) -> None:
        """Start the thread. A daemon: it ends with the process."""
        self._thread.start()

    def end(self) -> None:
        """End the thread, and with it every question that has no answer yet."""
        self.start(self.models.close()).result(_CLOSING_S)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(_CLOSING_S)
        self._loop.close()

    def start(self, work: Coroutine[Any, Any, T]) -> concurrent.futures.Future[T]:
        """Begin something in a copy of the caller's context. May be called from every thread."""
        return asyncio.run_coroutine_threadsafe(work, self._loop)

    def wait(self, work: Coroutine[Any, Any, T]) -> T:
        """What the work gives. Called from every thread but this one."""
        deadline_s = DEADLINE_S.get()
        left_s = None if deadline_s is None else max(0.0, deadline_s - time.monotonic())
        _warn_if_on_a_loop()
        future = self.start(work)
        try:
            return future.result(left_s)
        except RequestError as problem:
            raise told(problem) from problem
        except TimeoutError:
            future.cancel()
            raise UNANSWERED from None


def rest() -> None:
    """End the thread if there is one; the next question starts another.

    Called before a fork: a flow that asks a model on import shall leave no thread of ours behind.
    """
    with _starting:
        thread = _threads.pop(os.getpid(), None)
        if thread is not None:
            thread.end()


def _thread() -> ModelThread:
    pid = os.getpid()  # a fork leaves the parent's thread behind
    with _starting:
        if pid not in _threads:
            _threads[pid] = _started()
        return _threads[pid]


def _started() -> ModelThread:
    from pfserve.llm import Models

    thread = ModelThread(Models())
    thread.run()
    return thread


def _warn_if_on_a_loop() -> None:
    if asyncio._get_running_loop() is not None:
        _warn_once()


@functools.cache
def _warn_once() -> None:
    _log.warning(
        "an async function of the flow waits for a model by a function of promptflow.tools: all requests of this "
        "worker wait with it. Call it by asyncio.to_thread, or make the function a plain def"
    )
