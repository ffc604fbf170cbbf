"""The exceptions of ``promptflow.core``: what a prompty raises, in the classes that flow code may catch (contract 4.2).

The rooms below have one class for most of these, and tell them apart by their texts, which are the contract's.
"""

from __future__ import annotations

from collections.abc import Mapping

from pfserve.values.promptflow_errors import UserErrorException


class CoreError(UserErrorException):
    """The base of what is wrong with a prompty and its inputs."""


class RequiredEnvironmentVariablesNotSetError(CoreError):
    """A connection was to be made from the environment, which lacks its variables."""


class InvalidConnectionError(CoreError):
    """A configuration names a connection and also says what is in one."""


class ChatAPIInvalidRoleError(CoreError):
    """A prompt has text before its first role."""


class ChatAPIFunctionRoleInvalidFormat(CoreError):
    """A ``function`` message lacks its fields."""


class ChatAPIToolRoleInvalidFormat(CoreError):
    """A ``tool`` message lacks its fields."""


class JinjaTemplateError(CoreError):
    """A template is wrong, or failed."""


class MissingRequiredInputError(CoreError):
    """An input without a default was not given."""


class InvalidOutputKeyError(CoreError):
    """The model's JSON lacks a declared output."""


class InvalidSampleError(CoreError):
    """A sample that is none, or whose file is missing."""


class UnknownConnectionType(UserErrorException):
    """No model can be asked through the connection."""


class ToolValidationError(UserErrorException):
    """The base of what is wrong with what a model may call."""


class ChatAPIInvalidFunctions(ToolValidationError):
    """``functions`` or ``function_call`` are malformed."""


class ChatAPIInvalidTools(ToolValidationError):
    """``tools`` or ``tool_choice`` are malformed."""


class LLMError(UserErrorException):
    """A call of a model failed by something that is no answer of the service."""


class WrappedOpenAIError(UserErrorException):
    """The service refused, or could not be reached."""


class ExceedMaxRetryTimes(WrappedOpenAIError):
    """The service could not be reached, or refused, as often as it was tried."""


# The first that fits counts.
_BY_BEGINNING: tuple[tuple[str, type[UserErrorException]], ...] = (
    ("OpenAI API hits exception", LLMError),
    ("OpenAI API hits", WrappedOpenAIError),
    ("Exceed max retry times", ExceedMaxRetryTimes),
    ("The Chat API requires a specific format", ChatAPIInvalidRoleError),
    ("Failed to parse function role", ChatAPIFunctionRoleInvalidFormat),
    ("Failed to parse tool role", ChatAPIToolRoleInvalidFormat),
    ("Failed to render jinja template", JinjaTemplateError),
    ("function", ChatAPIInvalidFunctions),
    ("tool", ChatAPIInvalidTools),
)


def core_error(message: str) -> UserErrorException:
    """The exception that a text of the rooms below stands for in ``promptflow.core``."""
    for beginning, kind in _BY_BEGINNING:
        if message.startswith(beginning):
            return kind(message)
    return CoreError(message)


CORE_ERRORS: Mapping[str, object] = {
    kind.__name__: kind
    for kind in list(globals().values())
    if isinstance(kind, type) and issubclass(kind, UserErrorException)
}
"""Of ``promptflow.core._errors``."""
