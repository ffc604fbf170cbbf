"""What a failing node means for the request: status, code and message (contract 1.5).

Promptflow's own exceptions are known by the names of their classes, because user code may raise ours or those of a
promptflow that is really installed.
"""

from __future__ import annotations

from pfserve.errors import RequestError, SystemFailure, UserError

_ROOT = "PromptflowException"
_CODES = {"UserErrorException": UserError, "SystemErrorException": SystemFailure}


class UserDefinedFailure(RequestError):
    """An exception that user code derived directly from promptflow's root: its class name is the code, status 500."""

    def __init__(self, message: str, code: str) -> None:
        super().__init__(message)
        self.code = code  # type: ignore[misc]  # the one error whose code is not known before it happens


def failure_of(problem: BaseException, node_name: str, *, wraps: bool = False) -> RequestError:
    """The request error for what a node raised. The caller raises it ``from`` the problem.

    With ``wraps`` promptflow's own exceptions are no more than any others (contract 5.7).
    ``SystemExit`` counts as an ordinary exception of the node. ``KeyboardInterrupt`` and cancellation are not for here.
    """
    if isinstance(problem, RequestError):
        return problem
    below_root = _below_root(problem)
    if below_root is None or wraps:
        return UserError(f"Execution failure in '{node_name}': ({type(problem).__name__}) {exception_text(problem)}")
    if not below_root:
        return SystemFailure(exception_text(problem))
    known = _CODES.get(below_root[0])
    return known(exception_text(problem)) if known else UserDefinedFailure(exception_text(problem), below_root[0])


def template_failure(problem: BaseException) -> UserError:
    """The request error for what a prompt's template raised while it was rendered."""
    cause = f"{type(problem).__name__}: {exception_text(problem)}"
    return UserError(f"Failed to render jinja template: {cause}. Please modify your prompt to fix the issue.")


def _below_root(problem: BaseException) -> list[str] | None:
    """The names of the problem's classes below promptflow's root, most general first; None for a stranger."""
    hierarchy = list(reversed(type(problem).__mro__))
    names = [kind.__name__ for kind in hierarchy]
    if _ROOT not in names:
        return None
    root = hierarchy[names.index(_ROOT)]
    return [kind.__name__ for kind in hierarchy if issubclass(kind, root) and kind is not root]


def exception_text(problem: BaseException) -> str:
    """The exception's text. Its ``__str__`` is user code and may itself raise anything."""
    try:
        return str(problem)
    except BaseException as second:
        return f"<no text: str() raised {type(second).__name__}>"
