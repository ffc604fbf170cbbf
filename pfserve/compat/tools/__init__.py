"""The names of ``promptflow.tools``, module by module, without promptflow-tools or any library of a model's vendor."""

from __future__ import annotations

from collections.abc import Mapping

from pfserve.compat.tool import tool
from pfserve.compat.tools import language, rendering, services, vision
from pfserve.compat.tools.common import COMMON
from pfserve.compat.tools.exception import EXCEPTIONS

_COMMON = {**COMMON, **EXCEPTIONS, "render_jinja_template": rendering.render_jinja_template}

TOOL_MODULES: Mapping[str, Mapping[str, object]] = {
    "promptflow.tools": {"AzureOpenAI": language.AzureOpenAI, "OpenAI": language.OpenAI},
    "promptflow.tools.aoai": {
        "AzureOpenAI": language.AzureOpenAI,
        "chat": language.azure_chat,
        "completion": language.azure_completion,
    },
    "promptflow.tools.aoai_gpt4v": {"AzureOpenAI": vision.AzureOpenAI},
    "promptflow.tools.azure_content_safety": {
        "AzureContentSafety": services.AzureContentSafety,
        "TextCategorySensitivity": services.TextCategorySensitivity,
        "analyze_text": services.analyze_text,
    },
    "promptflow.tools.common": _COMMON,
    "promptflow.tools.embedding": {"EmbeddingModel": language.EmbeddingModel, "embedding": language.embedding},
    "promptflow.tools.exception": EXCEPTIONS,
    "promptflow.tools.llm": {"llm": language.llm},
    "promptflow.tools.llm_vision": {"llm_vision": vision.llm_vision},
    "promptflow.tools.openai": {
        "OpenAI": language.OpenAI,
        "Engine": language.Engine,
        "chat": language.openai_chat,
        "completion": language.openai_completion,
    },
    "promptflow.tools.open_model_llm": {"API": services.API, "OpenModelLLM": services.OpenModelLLM},
    "promptflow.tools.openai_gpt4v": {"OpenAI": vision.OpenAI},
    "promptflow.tools.serpapi": {
        "Engine": services.Engine,
        "SafeMode": services.SafeMode,
        "SerpAPI": services.SerpAPI,
        "search": services.search,
    },
    "promptflow.tools.template_rendering": {
        "render_template_jinja2": rendering.render_template_jinja2,
        "render_jinja_template": rendering.render_jinja_template,
        "tool": tool,
    },
}
