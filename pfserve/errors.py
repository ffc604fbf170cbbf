"""Every error pfserve raises on purpose: what ends a process carries an exit code, what ends a request an HTTP status.

Anything else that is raised is a bug: logged once with its traceback at the boundary and answered 500 without detail.
This module imports nothing of pfserve.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterable
from typing import ClassVar

import msgspec


class PfserveError(Exception):
    """The root of every error that pfserve raises on purpose."""


# -- Boot errors: the process ends with an exit code -----------------------------------------------


class BootError(PfserveError):
    """Something that keeps the server from starting, or from going on. The text is shown to the operator."""

    exit_code: ClassVar[int] = 1


class ConfigError(BootError):
    """A setting that cannot be used. Names the key, the value and where the value came from."""

    exit_code = 2

    def __init__(self, key: str, value: object, origin: str, problem: str) -> None:
        super().__init__(f"{key} = {value!r} (from {origin}): {problem}")
        self.key = key
        self.value = value
        self.origin = origin
        self.problem = problem


class Diagnostic(msgspec.Struct, frozen=True, order=True):
    """One mistake of a flow's author: where it is, what it is and what to do about it."""

    file: str
    line: int  # 1-based; 0 where the mistake has no line
    message: str

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.line else self.file
        return f"{place}: {self.message}"


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """The end of a message about an unknown name: the nearest known one, or nothing."""
    near = difflib.get_close_matches(name, list(known), n=1)
    return f"; did you mean '{near[0]}'?" if near else ""


class CompileError(BootError):
    """The flow does not compile. Carries every mistake found, in the order of file and line, and what was warned of."""

    exit_code = 3

    def __init__(self, diagnostics: list[Diagnostic], warnings: tuple[str, ...] = ()) -> None:
        self.diagnostics = tuple(sorted(set(diagnostics)))
        self.warnings = warnings
        super().__init__("\n".join([*map(str, self.diagnostics), *(f"{warning} (warning)" for warning in warnings)]))


class WorkerBootError(BootError):
    """A worker (or the leader that forks it) could not get ready."""

    exit_code = 4


class PortError(BootError):
    """The address is in use or may not be bound."""

    exit_code = 5


class CrashLoopError(BootError):
    """Processes die faster than it makes sense to replace them."""

    exit_code = 6


class NotStarted(PfserveError):
    """Nothing of the request has run here, and nothing will: it may be run elsewhere. Never told to a client."""


# -- Request errors: one request ends with an HTTP status ------------------------------------------


class RequestError(PfserveError):
    """A request that is answered with an error. The message is safe to show to the client."""

    status: ClassVar[int] = 500
    code: ClassVar[str] = "SystemError"

    def __init__(self, message: str, *, headers: dict[str, str] | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.headers = headers or {}


class UserError(RequestError):
    """The request, the flow or the code in it is at fault, as promptflow counts it (its code ``UserError``)."""

    status = 400
    code = "UserError"


class BadRequest(RequestError):
    """Bytes that are no HTTP request."""

    status = 400
    code = "BadRequest"


class NotFound(RequestError):
    """No such route. Answered as text, not as JSON."""

    status = 404
    code = "NotFound"


class MethodNotAllowed(RequestError):
    """A known route, but not with this method."""

    status = 405
    code = "MethodNotAllowed"


class NotAcceptable(RequestError):
    """The ``Accept`` header admits no media type that the flow can answer with."""

    status = 406
    code = "UserError"  # promptflow's outermost code for it


class RequestTimeout(RequestError):
    """The request's deadline passed."""

    status = 408
    code = "RequestTimeout"


class PayloadTooLarge(RequestError):
    """The body is larger than the limit."""

    status = 413
    code = "PayloadTooLarge"


class TooManyRequests(RequestError):
    """The instance is full, or the wait for a slot too long.

    ``retry_after_s`` says when the client should try again, in seconds from now; ``cause`` is what is counted: "full",
    "wait" or "deadline".
    """

    status = 429
    code = "TooManyRequests"

    def __init__(self, message: str, retry_after_s: float, *, cause: str = "full") -> None:
        headers = {
            "Retry-After": str(max(1, math.ceil(retry_after_s))),
            "retry-after-ms": str(max(1, math.ceil(retry_after_s * 1000))),
        }
        super().__init__(message, headers=headers)
        self.cause = cause


class HeadersTooLarge(RequestError):
    """The request line or header block is larger than the limit."""

    status = 431
    code = "HeadersTooLarge"


class SystemFailure(RequestError):
    """A failure that is the server's, told without detail."""


class WorkerLost(RequestError):
    """The request had started in another worker, and died with it."""

    status = 502
    code = "WorkerLost"


class Unavailable(RequestError):
    """The instance drains, or holds too many bodies in flight; ``cause`` is what is counted: "draining" or "bodies"."""

    status = 503
    code = "Unavailable"

    def __init__(self, message: str, *, headers: dict[str, str] | None = None, cause: str = "draining") -> None:
        super().__init__(message, headers=headers)
        self.cause = cause
