"""The model functions of ``promptflow.tools``: same names and signatures, asked of a model by our own client.

Annotations are read when a flow is compiled, so this module must not postpone them. What the signatures say is
promptflow's, mistyped and mutable defaults included; nothing ever changes those.
"""
# ruff: noqa: B006, PLR0917, RUF013, UP007, UP042
# mypy: disable-error-code="assignment,type-arg"

import enum
from collections.abc import Mapping
from typing import Any, Union

from pfserve.compat.tool import ToolProvider, tool
from pfserve.compat.tools.asking import ask
from pfserve.compat.tools.common import build_messages
from pfserve.compat.tools.exception import InvalidConnectionType
from pfserve.compat.tools.rendering import render
from pfserve.compat.types import PromptTemplate
from pfserve.values.chat import join_lists
from pfserve.values.connections import AzureOpenAIConnection, OpenAIConnection, ServerlessConnection
from pfserve.values.llm_parameters import AZURE, PARAMETERS, provider_of

Arguments = Mapping[str, Any]


class Engine(str, enum.Enum):
    """The models that complete texts, as flows of old name them."""

    TEXT_DAVINCI_001 = "text-davinci-001"
    TEXT_DAVINCI_002 = "text-davinci-002"
    TEXT_DAVINCI_003 = "text-davinci-003"
    TEXT_CURIE_001 = "text-curie-001"
    TEXT_BABBAGE_001 = "text-babbage-001"
    TEXT_ADA_001 = "text-ada-001"
    CODE_CUSHMAN_001 = "code-cushman-001"
    CODE_DAVINCI_002 = "code-davinci-002"


class EmbeddingModel(str, enum.Enum):
    """The models that embed texts, as flows of old name them."""

    TEXT_EMBEDDING_ADA_002 = "text-embedding-ada-002"
    TEXT_SEARCH_ADA_DOC_001 = "text-search-ada-doc-001"
    TEXT_SEARCH_ADA_QUERY_001 = "text-search-ada-query-001"


@tool
def azure_chat(
    connection: AzureOpenAIConnection,
    prompt: PromptTemplate,
    deployment_name: str,
    temperature: float = 1,
    top_p: float = 1,
    n: int = 1,
    stream: bool = False,
    stop: list = None,
    max_tokens: int = None,
    presence_penalty: float = None,
    frequency_penalty: float = None,
    logit_bias: dict = {},
    user: str = "",
    function_call: object = None,
    functions: list = None,
    tool_choice: object = None,
    tools: list = None,
    response_format: object = None,
    seed: int = None,
    **kwargs: object,
) -> object:
    """``promptflow.tools.aoai.chat``: the model's message as text, or as a dict where tools or functions are given."""
    return _chat(locals())


@tool
def openai_chat(
    connection: OpenAIConnection,
    prompt: PromptTemplate,
    model: str = "",
    temperature: float = 1,
    top_p: float = 1,
    stream: bool = False,
    stop: list = None,
    max_tokens: int = None,
    presence_penalty: float = None,
    frequency_penalty: float = None,
    logit_bias: dict = {},
    user: str = "",
    function_call: object = None,
    functions: list = None,
    tool_choice: object = None,
    tools: list = None,
    response_format: object = None,
    seed: int = None,
    **kwargs: object,
) -> object:
    """``promptflow.tools.openai.chat``, otherwise as :func:`azure_chat`."""
    return _chat(locals())


@tool
def azure_completion(
    connection: AzureOpenAIConnection,
    prompt: PromptTemplate,
    deployment_name: str,
    suffix: str = None,
    max_tokens: int = 16,
    temperature: float = 1.0,
    top_p: float = 1,
    n: int = 1,
    stream: bool = False,
    logprobs: int = None,
    echo: bool = False,
    stop: list = None,
    presence_penalty: float = None,
    frequency_penalty: float = None,
    best_of: int = 1,
    logit_bias: dict = {},
    user: str = "",
    **kwargs: object,
) -> object:
    """``promptflow.tools.aoai.completion``: what the model writes after the prompt."""
    return _completion(locals())


@tool
def openai_completion(
    connection: OpenAIConnection,
    prompt: PromptTemplate,
    model: Engine = Engine.TEXT_DAVINCI_003,
    suffix: str = None,
    max_tokens: int = 16,
    temperature: float = 1.0,
    top_p: float = 1,
    n: int = 1,
    stream: bool = False,
    logprobs: int = None,
    echo: bool = False,
    stop: list = None,
    presence_penalty: float = None,
    frequency_penalty: float = None,
    best_of: int = 1,
    logit_bias: dict = {},
    user: str = "",
    **kwargs: object,
) -> object:
    """``promptflow.tools.openai.completion``, otherwise as :func:`azure_completion`."""
    return _completion(locals())


@tool
def llm(
    connection: Union[AzureOpenAIConnection, OpenAIConnection, ServerlessConnection],
    prompt: PromptTemplate,
    api: str = "chat",
    deployment_name: str = "",
    model: str = "",
    temperature: float = 1.0,
    top_p: float = 1.0,
    stream: bool = False,
    stop: list = None,
    max_tokens: int = None,
    presence_penalty: float = None,
    frequency_penalty: float = None,
    logit_bias: dict = {},
    tool_choice: object = None,
    tools: list = None,
    response_format: object = None,
    seed: int = None,
    suffix: str = None,
    logprobs: int = None,
    echo: bool = False,
    best_of: int = 1,
    **kwargs: object,
) -> object:
    """``promptflow.tools.llm.llm``: chat or completion, whatever the connection."""
    given = locals()
    if provider_of(connection) is None:
        raise refused(connection, "llm", "AzureOpenAIConnection, OpenAIConnection, ServerlessConnection")
    return _completion(given) if api == "completion" else _chat(given)


@tool
def embedding(
    connection: Union[AzureOpenAIConnection, OpenAIConnection, ServerlessConnection],
    input: str,
    deployment_name: str = "",
    model: EmbeddingModel = EmbeddingModel.TEXT_EMBEDDING_ADA_002,
) -> object:
    """``promptflow.tools.embedding.embedding``: the vector of a text."""
    if provider_of(connection) is None:
        raise refused(connection, "embedding api", "AzureOpenAIConnection, OpenAIConnection")
    chosen = deployment_name if provider_of(connection) == AZURE else model
    text = [input] if isinstance(connection, ServerlessConnection) else input
    return ask(lambda models: models.embedding(connection, text, chosen))


def refused(connection: object, what: str, welcome: str) -> InvalidConnectionType:
    """The error for a connection that is none of the ``welcome`` ones."""
    kind = type(connection).__name__
    return InvalidConnectionType(
        f"Not Support connection type '{kind}' for {what}. Connection type should be in [{welcome}]."
    )


def _chat(given: Arguments) -> object:
    connection, prompt, parameters, variables = parts("chat", given)
    if provider_of(connection) == AZURE:
        variables = {name: join_lists(value) for name, value in variables.items()}
    messages = build_messages(prompt, **variables)
    return ask(lambda models: models.chat(connection, messages, **parameters))


def _completion(given: Arguments) -> object:
    connection, prompt, parameters, variables = parts("completion", given)
    variables.pop("_inputs_to_escape", None)  # there are no roles to protect
    text = render(prompt, variables)
    return ask(lambda models: models.completion(connection, text, **parameters))


def parts(api: str, given: Arguments) -> tuple[object, str, dict[str, Any], dict[str, Any]]:
    """A call's connection, template, parameters of the API, and variables of the template."""
    connection = given["connection"]
    known = PARAMETERS[provider_of(connection) or AZURE, api]
    variables = dict(given["kwargs"])
    parameters = {name: value for name, value in given.items() if name in known}
    parameters |= {name: variables.pop(name) for name in known if name in variables}
    return connection, given["prompt"], parameters, variables


class AzureOpenAI(ToolProvider):
    """The models of an Azure OpenAI connection: the methods are the functions above."""

    def __init__(self, connection: AzureOpenAIConnection) -> None:
        super().__init__()
        self.connection = connection

    def chat(self, *args: Any, **kwargs: Any) -> object:
        """As ``promptflow.tools.aoai.chat``."""
        return azure_chat(self.connection, *args, **kwargs)

    def completion(self, *args: Any, **kwargs: Any) -> object:
        """As ``promptflow.tools.aoai.completion``."""
        return azure_completion(self.connection, *args, **kwargs)


class OpenAI(ToolProvider):
    """The models of an OpenAI connection: the methods are the functions above."""

    def __init__(self, connection: OpenAIConnection) -> None:
        super().__init__()
        self.connection = connection

    def chat(self, *args: Any, **kwargs: Any) -> object:
        """As ``promptflow.tools.openai.chat``."""
        return openai_chat(self.connection, *args, **kwargs)

    def completion(self, *args: Any, **kwargs: Any) -> object:
        """As ``promptflow.tools.openai.completion``."""
        return openai_completion(self.connection, *args, **kwargs)
