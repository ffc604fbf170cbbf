"""The functions of ``promptflow.tools`` that ask services which are no models of OpenAI's kind.

Annotations are read when a flow is compiled, so this module must not postpone them.
"""
# ruff: noqa: PLR0917, RUF013
# mypy: disable-error-code="assignment,type-arg"

import enum
from collections.abc import Callable, Mapping

from pfserve.compat.tool import ToolProvider, tool
from pfserve.compat.tools.asking import ask
from pfserve.compat.tools.rendering import render
from pfserve.compat.types import PromptTemplate
from pfserve.values.connections import AzureContentSafetyConnection, SerpConnection


class SafeMode(str, enum.Enum):  # noqa: UP042 - as promptflow's
    """Whether a search leaves out what is not for everybody."""

    ACTIVE = "active"
    OFF = "off"


class Engine(str, enum.Enum):  # noqa: UP042
    """Who searches."""

    GOOGLE = "google"
    BING = "bing"


class SerpAPI(ToolProvider):
    """Searches of the web by SerpApi."""

    def __init__(self, connection: SerpConnection) -> None:
        super().__init__()
        self.connection = connection

    @tool
    def search(
        self,
        query: str,
        location: str = None,
        safe: SafeMode = SafeMode.OFF,
        num: int = 10,
        engine: Engine = Engine.GOOGLE,
    ) -> object:
        """``promptflow.tools.serpapi.SerpAPI.search``: what the search gives, as SerpApi's JSON."""
        return search(self.connection, query, location, safe, num, engine)


@tool
def search(
    connection: SerpConnection,
    query: str,
    location: str = None,
    safe: SafeMode = SafeMode.OFF,
    num: int = 10,
    engine: Engine = Engine.GOOGLE,
) -> object:
    """``promptflow.tools.serpapi.search``, as :meth:`SerpAPI.search`."""
    return _asked("promptflow.tools.serpapi.SerpAPI.search", locals())


class TextCategorySensitivity(str, enum.Enum):  # noqa: UP042
    """How bad a text may be."""

    DISABLE = "disable"
    LOW_SENSITIVITY = "low_sensitivity"
    MEDIUM_SENSITIVITY = "medium_sensitivity"
    HIGH_SENSITIVITY = "high_sensitivity"


_MEDIUM = TextCategorySensitivity.MEDIUM_SENSITIVITY


@tool
def analyze_text(
    connection: AzureContentSafetyConnection,
    text: str,
    hate_category: TextCategorySensitivity = _MEDIUM,
    sexual_category: TextCategorySensitivity = _MEDIUM,
    self_harm_category: TextCategorySensitivity = _MEDIUM,
    violence_category: TextCategorySensitivity = _MEDIUM,
) -> object:
    """``promptflow.tools.azure_content_safety.analyze_text``: whether to accept the text."""
    return _asked("promptflow.tools.azure_content_safety.analyze_text", locals())


class AzureContentSafety(ToolProvider):
    """Judgements of a Content Safety connection."""

    def __init__(self, connection: AzureContentSafetyConnection) -> None:
        super().__init__()
        self.connection = connection

    @tool
    def analyze_text(
        self,
        text: str,
        hate_category: TextCategorySensitivity = _MEDIUM,
        sexual_category: TextCategorySensitivity = _MEDIUM,
        self_harm_category: TextCategorySensitivity = _MEDIUM,
        violence_category: TextCategorySensitivity = _MEDIUM,
    ) -> object:
        """As :func:`analyze_text`."""
        return analyze_text(
            self.connection, text, hate_category, sexual_category, self_harm_category, violence_category
        )


class API(str, enum.Enum):  # noqa: UP042
    """How an open model is asked."""

    CHAT = "chat"
    COMPLETION = "completion"


class OpenModelLLM(ToolProvider):
    """Models behind endpoints of Azure ML."""

    @tool
    def call(
        self,
        prompt: PromptTemplate,
        api: API,
        endpoint_name: str,
        deployment_name: str = None,
        temperature: float = 1.0,
        max_new_tokens: int = 500,
        top_p: float = 1.0,
        model_kwargs: dict = None,
        **kwargs: object,
    ) -> object:
        """``promptflow.tools.open_model_llm.OpenModelLLM.call``, for endpoints that are given in ``kwargs``."""
        given = {name: value for name, value in locals().items() if name not in ("self", "prompt", "kwargs")}
        given["api"] = getattr(api, "value", api)
        identity = "promptflow.tools.open_model_llm.OpenModelLLM.call"
        return _asked(identity, {**given, **kwargs}, lambda **variables: render(prompt, variables))


def _asked(identity: str, given: Mapping[str, object], template: Callable[..., str] | None = None) -> object:
    return ask(lambda models: models.tool(identity, template)(**given))
