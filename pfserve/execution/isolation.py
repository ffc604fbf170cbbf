"""A context of its own for a coroutine, without a task for it."""

from __future__ import annotations

import contextlib
import types
from collections.abc import Coroutine, Generator
from contextvars import copy_context
from typing import Any, TypeVar

from pfserve.errors import RequestError

T = TypeVar("T")


@types.coroutine
def isolated(coroutine: Coroutine[Any, Any, T]) -> Generator[Any, Any, T]:
    """Await the coroutine within a copy of the current context: what it sets there, nobody outside sees.

    It stays part of the current task. Timeouts, cancellation and ``current_task()`` work as in a plain ``await``, and
    a coroutine that never suspends never touches the loop.
    """
    run = copy_context().run
    resume, argument = coroutine.send, None
    while True:
        try:
            awaited = run(resume, argument)
        except StopIteration as finished:
            return finished.value  # type: ignore[no-any-return]
        finally:
            argument = None  # an exception that comes out again must not be held by a frame that it holds
        try:
            resume, argument = coroutine.send, (yield awaited)
        except GeneratorExit:
            with contextlib.suppress(RequestError):  # a chain takes every exception of its steps for a failure
                run(coroutine.close)
            raise
        except BaseException as problem:
            resume, argument = coroutine.throw, problem
