"""Which exceptions of user code are failures of its node, and what they become."""

from __future__ import annotations

import asyncio
from typing import NamedTuple

from pfserve.errors import RequestError, UserError
from pfserve.values import failure_of


def is_cancellation(problem: BaseException) -> bool:
    """Whether it is the running task that is being cancelled, not something that the author waited for."""
    if not isinstance(problem, asyncio.CancelledError):
        return False
    task = asyncio.current_task()
    return task is None or task.cancelling() > 0


class Origin(NamedTuple):
    """Whose code it is that may fail: a node's; ``wraps`` is that of its step."""

    node: str
    wraps: bool = False

    def failure(self, problem: BaseException) -> RequestError:
        """The request error for what the code raised. The caller raises it ``from`` the problem."""
        return node_failure(problem, self.node, self.wraps)


def node_failure(problem: BaseException, node: str, wraps: bool = False) -> RequestError:
    """The request error for what the node's code raised. The caller raises it ``from`` the problem."""
    if isinstance(problem, KeyboardInterrupt):  # the author's: signals of the process never become exceptions
        return UserError("Tool execution is canceled because: Received cancel request..")
    return failure_of(problem, node, wraps=wraps)
