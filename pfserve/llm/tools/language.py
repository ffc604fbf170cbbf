"""The built-in tools that ask language models: ``llm``, those that show images, and ``embedding`` (contract 3.10)."""

from __future__ import annotations

from pfserve.errors import UserError
from pfserve.llm.tools.asking import Asking
from pfserve.values.image_parts import images_in, part_of
from pfserve.values.llm_parameters import AZURE, OPENAI, PARAMETERS, provider_of

_SEEING_OPENAI = "gpt-4-vision-preview"
_ADA = "text-embedding-ada-002"
_LLM: dict[str, object] = {
    "deployment_name": "",
    "model": "",
    "temperature": 1.0,
    "top_p": 1.0,
    "stream": False,
    "stop": None,
    "max_tokens": None,
    "presence_penalty": None,
    "frequency_penalty": None,
    "logit_bias": {},
    "tool_choice": None,
    "tools": None,
    "response_format": None,
    "seed": None,
    "suffix": None,
    "logprobs": None,
    "echo": False,
    "best_of": 1,
}
_VISION: dict[str, object] = {
    "deployment_name": "",
    "model": "",
    "temperature": 1.0,
    "top_p": 1.0,
    "stream": False,
    "stop": None,
    "max_tokens": None,
    "presence_penalty": 0,
    "frequency_penalty": 0,
    "seed": None,
}


async def llm(asking: Asking, /, connection: object, api: str = "chat", **given: object) -> object:
    """A chat or a completion, whatever the connection."""
    provider = provider_of(connection)
    if provider is None:
        raise _refused(connection, "llm", "AzureOpenAIConnection, OpenAIConnection, ServerlessConnection")
    completes = api == "completion"
    known = PARAMETERS[provider, "completion" if completes else "chat"]
    variables = {name: value for name, value in given.items() if name not in known and name not in _LLM}
    parameters = {name: value for name, value in (_LLM | given).items() if name in known}
    if completes:
        return await asking.models.completion(connection, asking.prompt(variables), **parameters)
    messages = asking.messages(variables, joins_lists=provider == AZURE)
    return await asking.models.chat(connection, messages, **parameters)


async def llm_vision(asking: Asking, /, connection: object, **given: object) -> object:
    """A chat about images, which the prompt's variables hold."""
    if provider_of(connection) is None or type(connection).__name__ == "ServerlessConnection":
        raise _refused(connection, "llm", "AzureOpenAIConnection, OpenAIConnection")
    return await _about_images(asking, connection, given)


async def azure_vision(asking: Asking, /, connection: object, deployment_name: str, **given: object) -> object:
    """The same for Azure."""
    return await _about_images(asking, connection, {"deployment_name": deployment_name, **given})


async def openai_vision(asking: Asking, /, connection: object, model: str = _SEEING_OPENAI, **given: object) -> object:
    """The same for OpenAI."""
    return await _about_images(asking, connection, {"model": model, **given})


azure_vision.__qualname__ = "AzureOpenAI.chat"
openai_vision.__qualname__ = "OpenAI.chat"


async def _about_images(asking: Asking, connection: object, given: dict[str, object]) -> object:
    """Ask about the images among the variables. How closely the model looks at them says ``detail``."""
    detail = str(given.pop("detail", "auto"))
    provider = provider_of(connection) or OPENAI
    named = "deployment_name" if provider == AZURE else "model"
    variables = {name: value for name, value in given.items() if name not in _VISION}
    parameters = {name: value for name, value in (_VISION | given).items() if name in _VISION}
    for other in {"deployment_name", "model"} - {named}:
        parameters.pop(other)
    images = {str(image): part_of(image, detail) for image in images_in(variables)}
    messages = asking.messages(variables, joins_lists=True, images=images)
    return await asking.models.chat(connection, messages, n=1, **parameters)


async def embedding(
    asking: Asking, /, connection: object, input: str, deployment_name: str = "", model: str = _ADA
) -> object:
    """The vector of a text."""
    provider = provider_of(connection)
    if provider is None:
        raise _refused(connection, "embedding api", "AzureOpenAIConnection, OpenAIConnection")
    text = [input] if type(connection).__name__ == "ServerlessConnection" else input
    return await asking.models.embedding(connection, text, deployment_name if provider == AZURE else model)


def _refused(connection: object, what: str, welcome: str) -> UserError:
    kind = type(connection).__name__
    return UserError(f"Not Support connection type '{kind}' for {what}. Connection type should be in [{welcome}].")
