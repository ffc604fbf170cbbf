"""``ErrorResponse`` and ``ExceptionPresenter``: exceptions as the dicts that promptflow's services exchange."""

from __future__ import annotations

from typing import Any, Self

from pfserve.values import exception_text
from pfserve.values.promptflow_errors import PromptflowException, UserErrorException


class ExceptionPresenter:
    """One exception, told as a dict."""

    def __init__(self, ex: BaseException) -> None:
        self._ex = ex

    @classmethod
    def create(cls, ex: BaseException) -> Self:
        """The presenter of an exception."""
        return cls(ex)

    def to_dict(self, *, include_debug_info: bool = False) -> dict[str, Any]:
        """Message and codes, from the outermost to the innermost. Debugging information is never told."""
        known = self._ex if isinstance(self._ex, PromptflowException) else None
        code = "UserError" if isinstance(self._ex, UserErrorException) else "SystemError"
        return {
            "message": exception_text(self._ex),
            "messageFormat": known.message_format if known else "",
            "messageParameters": known.message_parameters if known else {},
            "code": code,
            "innerError": {"code": type(self._ex).__name__, "innerError": None},
        }


class ErrorResponse:
    """An error in the envelope of promptflow's services."""

    def __init__(self, error_dict: dict[str, Any]) -> None:
        self._error_dict = error_dict

    @classmethod
    def from_exception(cls, ex: BaseException, *, include_debug_info: bool = False) -> Self:
        """The response for an exception."""
        return cls(ExceptionPresenter.create(ex).to_dict())

    @classmethod
    def from_error_dict(cls, error_dict: dict[str, Any]) -> Self:
        """The response for an error that is a dict already."""
        return cls(error_dict)

    @property
    def message(self) -> str:
        """The text of the error."""
        return str(self._error_dict.get("message", ""))

    def to_simplified_dict(self) -> dict[str, Any]:
        """Code and message only."""
        return {"error": {key: self._error_dict.get(key) for key in ("code", "message")}}

    def to_dict(self) -> dict[str, Any]:
        """The whole error."""
        return {"error": dict(self._error_dict)}
