"""What went wrong with a call: its class and text as promptflow tells them, and whether it is worth another try. Pure.

Classes and texts are those of the OpenAI library, because flows' users have read them for years (contract 1.5, 3.8).
"""

from __future__ import annotations

from collections.abc import Iterable

import aiohttp
import msgspec
import orjson

from pfserve.errors import UserError

_NAMES = {
    400: "BadRequestError",
    401: "AuthenticationError",
    403: "PermissionDeniedError",
    404: "NotFoundError",
    409: "ConflictError",
    422: "UnprocessableEntityError",
    429: "RateLimitError",
}
_MASK = "******"
REFERENCE = "[Error reference: https://platform.openai.com/docs/guides/error-codes/api-errors]"
AZURE_HELP = "If you are using azure openai connection, then please first go to your Azure OpenAI resource,"
_NO_FUNCTIONS = (
    "Current model does not support the `functions` parameter. If you are using openai connection, then please use "
    "gpt-3.5-turbo, gpt-4, gpt-4-32k, gpt-3.5-turbo-0613 or gpt-4-0613. You can refer to "
    f"https://platform.openai.com/docs/guides/gpt/function-calling. {AZURE_HELP} deploy model 'gpt-35-turbo' or "
    "'gpt-4' with version 0613, then go to prompt flow connection page, upgrade connection api version to "
    "'2023-07-01-preview'. You can refer to https://learn.microsoft.com/en-us/azure/ai-services/openai/how-to/function-calling."
)
_NO_COMPLETION = (
    "The completion operation does not work with the current model. Completion API is a legacy api and is going to be "
    "deprecated soon. Please change to use Chat API for current model. You could refer to guideline at "
    "https://aka.ms/pfdoc/chat-prompt or view the samples in our gallery that contain 'Chat' in the name."
)
NO_IMAGES = (
    "Current model does not support the image input. If you are using openai connection, then please use "
    "gpt-4-vision-preview. You can refer to https://platform.openai.com/docs/guides/vision."
    f'{AZURE_HELP} create a GPT-4 Turbo with Vision deployment by selecting model name: "gpt-4" and model version '
    '"vision-preview". You can refer to https://learn.microsoft.com/en-us/azure/ai-services/openai/how-to/gpt-with-vision'
)
_NO_RESPONSE_FORMAT = (
    'The response_format parameter needs to be a dictionary such as {"type": "text"}. The value associated with the '
    "type key should be either 'text' or 'json_object' If you are using openai connection, you can only set "
    'response_format to { "type": "json_object" } when calling gpt-3.5-turbo-1106 or gpt-4-1106-preview to enable JSON '
    "mode. You can refer to https://platform.openai.com/docs/guides/text-generation/json-mode. "
    f"{AZURE_HELP} deploy model 'gpt-35-turbo-1106' or 'gpt-4-1106-preview'. You can refer to "
    "https://learn.microsoft.com/en-us/azure/ai-services/openai/how-to/json-mode?tabs=python."
)
NO_ACCESS = (
    "Principal does not have access to API/Operation. If you are using azure openai connection, please make sure you "
    "have proper role assignment on your azure openai resource. You can refer to "
    "https://learn.microsoft.com/en-us/azure/ai-services/openai/how-to/role-based-access-control"
)
_TOOL_ORDER = (
    "Please make sure your chat prompt includes 'tool_calls' within the 'assistant' role. Also, the assistant message "
    "must be followed by messages with role 'tool', matching ids of assistant message 'tool_calls' property. You could "
    "refer to guideline at https://aka.ms/pfdoc/chat-prompt. Original error: "
)

# Each: all of these words in the message mean that text. The first that fits counts.
_REWRITTEN = (
    (("Unrecognized request argument supplied: functions",), _NO_FUNCTIONS),
    (("The completion operation does not work with the specified model",), _NO_COMPLETION),
    (("logprobs", "parameters are not available"), _NO_COMPLETION),
    (("best_of", "parameters are not available"), _NO_COMPLETION),
    (("echo", "parameters are not available"), _NO_COMPLETION),
    (("Invalid content type. image_url is only supported by certain models",), NO_IMAGES),
    (("Invalid parameter: 'response_format' of type", "is not supported with this model."), _NO_RESPONSE_FORMAT),
    (("Principal does not have access to API/Operation",), NO_ACCESS),
)
_TOOL_ORDER_SIGNS = (
    "messages with role 'tool' must be a response",
    "An assistant message with 'tool_calls' must be followed by tool messages",
)


class Problem(msgspec.Struct, frozen=True):
    """One failed attempt: may another help (``retriable``), and how long did the service ask to wait (``wait_s``)."""

    name: str
    text: str
    status: int | None = None
    retriable: bool = False
    wait_s: float | None = None


class ModelError(UserError):
    """A call of a model failed for good. ``kind`` is the class of the failure, such as ``RateLimitError``.

    ``problem`` is the last attempt's, where it came to one.
    """

    def __init__(self, message: str, kind: str, problem: Problem | None = None) -> None:
        super().__init__(message)
        self.kind = kind
        self.problem = problem


def http_problem(status: int, retry_after: str | None, body: bytes, secrets: Iterable[str]) -> Problem:
    """The problem that an answer other than 2xx is."""
    error = _error_of(body)
    said = error.get("message")
    text = f"Error code: {status} - {said}" if said else f"Error code: {status}"
    name = _NAMES.get(status) or ("InternalServerError" if status >= 500 else "APIStatusError")
    retriable = status in (422, 429) or status >= 500
    if status == 429 and error.get("type") == "insufficient_quota":
        retriable = False
    return Problem(name, masked(text, secrets), status, retriable, _seconds(retry_after))


def transport_problem(failure: BaseException) -> Problem:
    """The problem that it is if there is no answer: a timeout, a connection that is refused, cut or impossible.

    A connection that was cut before the answer is tried again: it may have been a kept one that had gone stale.
    """
    if isinstance(failure, TimeoutError):
        return Problem("APITimeoutError", "Request timed out.", retriable=True)
    cut = isinstance(failure, aiohttp.ServerDisconnectedError | ConnectionResetError | BrokenPipeError) or (
        isinstance(failure, aiohttp.ClientOSError) and not isinstance(failure, aiohttp.ClientConnectorError)
    )
    return Problem("APIConnectionError", "Connection error.", retriable=cut)


def failed(problem: Problem) -> ModelError:
    """The error for a problem that no other attempt can help; or, if one could, that there will be none."""
    prefix = "Exceed max retry times. " if problem.retriable else ""
    return ModelError(f"{prefix}OpenAI API hits {problem.name}: {_rewritten(problem.text)}", problem.name, problem)


def stream_failed(said: object, secrets: Iterable[str]) -> ModelError:
    """The error for an event of a stream that says that the model failed."""
    text = said.get("message") if isinstance(said, dict) else None
    text = masked(str(text or "An error occurred during streaming"), secrets)
    return failed(Problem("APIError", text))


def unexpected(problem: Exception, secrets: Iterable[str] = ()) -> ModelError:
    """The error for what is no failure of the service: parameters that do not fit, an answer that is none."""
    return failed_by(type(problem).__name__, masked(str(problem), secrets))


def failed_by(kind: str, text: str) -> ModelError:
    """The error for an exception of that class and text."""
    return ModelError(f"OpenAI API hits exception: {kind}: {text}", kind)


def masked(text: str, secrets: Iterable[str]) -> str:
    """The text without the secrets, which a service may repeat in what it says."""
    for secret in secrets:
        text = text.replace(secret, _MASK)
    return text


def _error_of(body: bytes) -> dict[str, object]:
    try:
        error = orjson.loads(body).get("error")
    except (ValueError, AttributeError):  # no JSON, or no object
        return {}
    return error if isinstance(error, dict) else {}


def _seconds(retry_after: str | None) -> float | None:
    try:
        seconds = float(retry_after or "")
    except ValueError:  # none, or a date: the usual waits apply
        return None
    return seconds if 0 <= seconds < float("inf") else None


def _rewritten(text: str) -> str:
    for signs, better in _REWRITTEN:
        if all(sign in text for sign in signs):
            return better
    if any(sign in text for sign in _TOOL_ORDER_SIGNS):
        return f"{_TOOL_ORDER}{text}"
    return f"{text} {REFERENCE}"
