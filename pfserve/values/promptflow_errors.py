"""The classes that flow code imports from ``promptflow.exceptions`` (contract 8.2). Room compat re-exports them."""

from __future__ import annotations

import enum


class ErrorTarget(str, enum.Enum):  # noqa: UP042 - str() gives the member's name, as in promptflow
    """Which part of a flow's world an error is about. Carried for the reader of logs; it decides nothing."""

    EXECUTOR = "Executor"
    BATCH = "Batch"
    CORE = "Core"
    FLOW_EXECUTOR = "FlowExecutor"
    NODE_EXECUTOR = "NodeExecutor"
    TOOL = "Tool"
    AZURE_RUN_STORAGE = "AzureRunStorage"
    RUNTIME = "Runtime"
    UNKNOWN = "Unknown"
    RUN_TRACKER = "RunTracker"
    RUN_STORAGE = "RunStorage"
    CONTROL_PLANE_SDK = "ControlPlaneSDK"
    SERVING_APP = "ServingApp"
    FLOW_INVOKER = "FlowInvoker"
    FUNCTION_PATH = "FunctionPath"


class ErrorCategory(str, enum.Enum):  # noqa: UP042
    """Whose mistake an error is."""

    USER_ERROR = "UserError"
    SYSTEM_ERROR = "SystemError"
    UNKNOWN = "Unknown"


class _Named(dict[str, object]):
    """Values of placeholders; one that nothing fills shows as ``<name>``."""

    def __missing__(self, name: str) -> str:
        return f"<{name}>"


class PromptflowException(Exception):
    """The root. ``message`` wins; without one, ``message_format`` is filled with the other keyword arguments."""

    def __init__(
        self,
        message: str = "",
        message_format: str = "",
        target: ErrorTarget = ErrorTarget.UNKNOWN,
        module: str | None = None,
        privacy_info: list[str] | None = None,
        **format_args: object,
    ) -> None:
        super().__init__(message)
        self._message = str(message)
        self._message_format = message_format
        self._format_args = format_args
        self.target = target
        self.module = module
        self.privacy_info = privacy_info

    @property
    def message(self) -> str:
        """The text of the error."""
        return self._message or self._filled()

    @property
    def message_format(self) -> str:
        """The text with its placeholders."""
        return self._message_format

    @property
    def message_parameters(self) -> dict[str, object]:
        """What fills the placeholders."""
        return dict(self._format_args)

    @property
    def inner_exception(self) -> BaseException | None:
        """The exception that this one was raised from."""
        return self.__cause__

    def __str__(self) -> str:
        return self.message

    def _filled(self) -> str:
        try:
            return self._message_format.format_map(_Named(self._format_args))
        except (IndexError, ValueError, AttributeError):  # a format that cannot be filled must not hide the error
            return self._message_format


class UserErrorException(PromptflowException):
    """The user's mistake: answered 400."""


class SystemErrorException(PromptflowException):
    """The system's mistake: answered 500."""


class ValidationException(UserErrorException):
    """Something the user gave does not fit."""
