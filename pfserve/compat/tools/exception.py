"""The exceptions of ``promptflow.tools``, and which of them tells what went wrong."""

from __future__ import annotations

from collections.abc import Mapping

from pfserve.errors import RequestError, SystemFailure
from pfserve.values.promptflow_errors import SystemErrorException, UserErrorException


class ToolValidationError(UserErrorException):
    """What a tool was given does not fit."""


class ChatAPIInvalidRole(ToolValidationError):
    """A prompt has text before its first role."""


class ChatAPIFunctionRoleInvalidFormat(ToolValidationError):
    """A ``function`` message lacks its fields."""


class ChatAPIToolRoleInvalidFormat(ToolValidationError):
    """A ``tool`` message lacks its fields."""


class ChatAPIInvalidFunctions(ToolValidationError):
    """``functions`` or ``function_call`` are malformed."""


class ChatAPIInvalidTools(ToolValidationError):
    """``tools`` or ``tool_choice`` are malformed."""


class FunctionCallNotSupportedInStreamMode(ToolValidationError):
    """``functions`` were given together with ``stream``."""


class InvalidConnectionType(ToolValidationError):
    """No model can be asked through the connection."""


class JinjaTemplateError(ToolValidationError):
    """A template is wrong, or failed."""


class LLMError(UserErrorException):
    """A call of a model failed by something that is no answer of the service."""


class WrappedOpenAIError(UserErrorException):
    """The service refused, or could not be reached."""


class ExceedMaxRetryTimes(WrappedOpenAIError):
    """The service could not be reached, or refused, as often as it was tried."""


class ListDeploymentsError(UserErrorException):
    """Nobody lists deployments here; a name to catch."""


class ParseConnectionError(ListDeploymentsError):
    """A name to catch, as its base."""


class SerpAPIUserError(UserErrorException):
    """A search was refused."""


class SerpAPISystemError(SystemErrorException):
    """A search failed."""


class AzureContentSafetyInputValueError(UserErrorException):
    """A text cannot be checked."""


class AzureContentSafetySystemError(SystemErrorException):
    """The check of a text failed."""


class OpenModelLLMUserError(UserErrorException):
    """A call of an open model was wrong."""


class OpenModelLLMOnlineEndpointError(UserErrorException):
    """The endpoint of an open model failed."""


class OpenModelLLMKeyValidationError(ToolValidationError):
    """A key of an open model's connection is missing."""


UNANSWERED = LLMError("The request's time was over before the model answered.")

# The rooms below have one class for all of these, and the contract's texts tell them apart. The first that fits counts.
_BY_BEGINNING: tuple[tuple[str, type[UserErrorException]], ...] = (
    ("OpenAI API hits exception", LLMError),
    ("OpenAI API hits", WrappedOpenAIError),
    ("Exceed max retry times", ExceedMaxRetryTimes),
    ("The Chat API requires a specific format", ChatAPIInvalidRole),
    ("Failed to parse function role", ChatAPIFunctionRoleInvalidFormat),
    ("Failed to parse tool role", ChatAPIToolRoleInvalidFormat),
    ("Failed to render jinja template", JinjaTemplateError),
    ("Function calling has not been supported", FunctionCallNotSupportedInStreamMode),
    ("Connection type", InvalidConnectionType),
    ("RejectThreshold", AzureContentSafetyInputValueError),
    ("Invalid Category", AzureContentSafetyInputValueError),
    ("Exception hit calling Online Endpoint", OpenModelLLMOnlineEndpointError),
    ("Endpoint connection via kwargs", OpenModelLLMKeyValidationError),
    ("The endpoint", OpenModelLLMUserError),
    ("Unexpected chat format", OpenModelLLMUserError),
    ("function", ChatAPIInvalidFunctions),
    ("tool", ChatAPIInvalidTools),
)


def told(problem: RequestError) -> UserErrorException | SystemErrorException:
    """What user code gets for an error of the rooms below: the same text, in a class that it may know."""
    if isinstance(problem, SystemFailure):
        failed = SerpAPISystemError if problem.message.startswith("SerpAPI") else AzureContentSafetySystemError
        return failed(problem.message)
    for beginning, kind in _BY_BEGINNING:
        if problem.message.startswith(beginning):
            return kind(problem.message)
    return ToolValidationError(problem.message)


EXCEPTIONS: Mapping[str, object] = {
    kind.__name__: kind
    for kind in list(globals().values())
    if isinstance(kind, type) and issubclass(kind, UserErrorException | SystemErrorException)
}
"""Of ``promptflow.tools.exception``."""
