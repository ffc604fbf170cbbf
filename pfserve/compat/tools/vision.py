"""The model functions of ``promptflow.tools`` that show images: chats whose template's variables hold them.

Annotations are read when a flow is compiled, so this module must not postpone them.
"""
# ruff: noqa: PLR0917, RUF013, UP007
# mypy: disable-error-code="assignment,type-arg"

from typing import Union

from pfserve.compat.tool import ToolProvider, tool
from pfserve.compat.tools.asking import ask
from pfserve.compat.tools.common import build_messages, find_referenced_image_set
from pfserve.compat.tools.language import Arguments, parts, refused
from pfserve.compat.types import PromptTemplate
from pfserve.values.chat import join_lists, separate_images
from pfserve.values.connections import AzureOpenAIConnection, OpenAIConnection


@tool
def llm_vision(
    connection: Union[AzureOpenAIConnection, OpenAIConnection],
    prompt: PromptTemplate,
    deployment_name: str = "",
    model: str = "",
    temperature: float = 1.0,
    top_p: float = 1.0,
    stream: bool = False,
    stop: list = None,
    max_tokens: int = None,
    presence_penalty: float = 0,
    frequency_penalty: float = 0,
    seed: int = None,
    detail: str = "auto",
    **kwargs: object,
) -> object:
    """``promptflow.tools.llm_vision.llm_vision``: a chat about images, which the template's variables may hold."""
    if not isinstance(connection, AzureOpenAIConnection | OpenAIConnection):
        raise refused(connection, "llm", "AzureOpenAIConnection, OpenAIConnection")
    return _vision(locals())


class AzureOpenAI(ToolProvider):
    """The models of an Azure OpenAI connection that see."""

    def __init__(self, connection: AzureOpenAIConnection) -> None:
        super().__init__()
        self.connection = connection

    @tool
    def chat(
        self,
        prompt: PromptTemplate,
        deployment_name: str,
        temperature: float = 1.0,
        top_p: float = 1.0,
        stream: bool = False,
        stop: list = None,
        max_tokens: int = None,
        presence_penalty: float = 0,
        frequency_penalty: float = 0,
        seed: int = None,
        detail: str = "auto",
        **kwargs: object,
    ) -> object:
        """``promptflow.tools.aoai_gpt4v.AzureOpenAI.chat``."""
        return _vision({**locals(), "connection": self.connection})


class OpenAI(ToolProvider):
    """The models of an OpenAI connection that see."""

    def __init__(self, connection: OpenAIConnection) -> None:
        super().__init__()
        self.connection = connection

    @tool
    def chat(
        self,
        prompt: PromptTemplate,
        model: str = "gpt-4-vision-preview",
        temperature: float = 1.0,
        top_p: float = 1.0,
        stream: bool = False,
        stop: list = None,
        max_tokens: int = None,
        presence_penalty: float = 0,
        frequency_penalty: float = 0,
        seed: int = None,
        detail: str = "auto",
        **kwargs: object,
    ) -> object:
        """``promptflow.tools.openai_gpt4v.OpenAI.chat``."""
        return _vision({**locals(), "connection": self.connection})


def _vision(given: Arguments) -> object:
    connection, prompt, parameters, variables = parts("chat", given)
    images = find_referenced_image_set(variables)
    variables = {name: join_lists(value) for name, value in variables.items()}
    messages = build_messages(separate_images(prompt), images, str(given["detail"]), **variables)
    return ask(lambda models: models.chat(connection, messages, n=1, **parameters))
