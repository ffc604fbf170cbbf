"""The tools that need no package here: their ids, and the inputs that they take (contract 3.10).

Types and order of the inputs are those of the metadata of promptflow-tools and promptflow-vectordb.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

_AZURE, _OPENAI, _SERVERLESS = "AzureOpenAIConnection", "OpenAIConnection", "ServerlessConnection"
_VISION: dict[str, str] = {
    "temperature": "double",
    "top_p": "double",
    "stop": "list",
    "max_tokens": "int",
    "presence_penalty": "double",
    "frequency_penalty": "double",
    "seed": "int",
    "detail": "string",
}


class BuiltinTool(msgspec.Struct, frozen=True):
    """A tool. ``inputs`` has the type of each input; of a connection the names of the classes that will do."""

    title: str  # what messages call it
    inputs: Mapping[str, str | tuple[str, ...]]
    required: tuple[str, ...] = ()
    made_of: tuple[str, ...] = ()  # inputs that only literals can give: promptflow's tool is a method of a class
    prompt: bool = False  # a custom_llm tool: it has a template
    open: bool = False  # inputs of any name are variables of the template
    streams: bool = False
    shows_images: bool = False  # of the template's variables
    needs: str = ""  # a module that has to be installed
    old: tuple[str, ...] = ()  # ids that it had before


BUILTIN_TOOLS: Mapping[str, BuiltinTool] = {
    "promptflow.tools.llm.llm": BuiltinTool(
        "LLM",
        {
            "connection": (_AZURE, _OPENAI, _SERVERLESS),
            "api": "string",
            "deployment_name": "string",
            "model": "string",
            "temperature": "double",
            "top_p": "double",
            "stop": "list",
            "max_tokens": "int",
            "presence_penalty": "double",
            "response_format": "object",
            "frequency_penalty": "int",
            "logit_bias": "object",
            "seed": "int",
            "suffix": "string",
            "logprobs": "int",
            "echo": "bool",
            "best_of": "int",
            "tools": "list",
            "tool_choice": "object",
        },
        required=("connection",),
        prompt=True,
        open=True,
        streams=True,
    ),
    "promptflow.tools.llm_vision.llm_vision": BuiltinTool(
        "LLM-Vision",
        {
            "connection": (_AZURE, _OPENAI),
            "deployment_name": "string",
            "model": "string",
            **_VISION,
            "frequency_penalty": "int",
        },
        required=("connection",),
        prompt=True,
        open=True,
        streams=True,
        shows_images=True,
    ),
    "promptflow.tools.aoai_gpt4v.AzureOpenAI.chat": BuiltinTool(
        "Azure OpenAI GPT-4 Turbo with Vision",
        {"connection": (_AZURE,), "deployment_name": "string", **_VISION},
        required=("connection", "deployment_name"),
        made_of=("connection",),
        prompt=True,
        open=True,
        streams=True,
        shows_images=True,
    ),
    "promptflow.tools.openai_gpt4v.OpenAI.chat": BuiltinTool(
        "OpenAI GPT-4V",
        {"connection": (_OPENAI,), "model": "string", **_VISION},
        required=("connection",),
        made_of=("connection",),
        prompt=True,
        open=True,
        streams=True,
        shows_images=True,
    ),
    "promptflow.tools.open_model_llm.OpenModelLLM.call": BuiltinTool(
        "Open Model LLM",
        {
            "endpoint_name": "string",
            "deployment_name": "string",
            "api": "string",
            "temperature": "double",
            "max_new_tokens": "int",
            "top_p": "double",
            "model_kwargs": "object",
        },
        required=("api", "endpoint_name"),
        prompt=True,
        open=True,
    ),
    "promptflow.tools.embedding.embedding": BuiltinTool(
        "Embedding",
        {
            "connection": (_AZURE, _OPENAI, _SERVERLESS),
            "deployment_name": "string",
            "model": "string",
            "input": "string",
        },
        required=("connection", "input"),
    ),
    "promptflow.tools.serpapi.SerpAPI.search": BuiltinTool(
        "Serp API",
        {
            "connection": ("SerpConnection",),
            "engine": "string",
            "location": "string",
            "num": "int",
            "query": "string",
            "safe": "string",
        },
        required=("connection", "query"),
        made_of=("connection",),
    ),
    "promptflow.tools.azure_content_safety.analyze_text": BuiltinTool(
        "Content Safety (Text Analyze)",
        {
            "connection": ("AzureContentSafetyConnection",),
            "hate_category": "string",
            "self_harm_category": "string",
            "sexual_category": "string",
            "text": "string",
            "violence_category": "string",
        },
        required=("connection", "text"),
        old=("content_safety_text.tools.content_safety_text_tool.analyze_text",),
    ),
    "promptflow_vectordb.tool.faiss_index_lookup.FaissIndexLookup.search": BuiltinTool(
        "Faiss Index Lookup",
        {"path": "string", "vector": "list", "top_k": "int"},
        required=("path", "vector"),
        made_of=("path",),
        needs="faiss",
    ),
    "promptflow_vectordb.tool.vector_db_lookup.VectorDBLookup.search": BuiltinTool(
        "Vector DB Lookup",
        {
            "connection": ("CognitiveSearchConnection", "QdrantConnection", "WeaviateConnection"),
            "index_name": "string",
            "collection_name": "string",
            "class_name": "string",
            "text_field": "string",
            "vector_field": "string",
            "search_params": "object",
            "search_filters": "object",
            "vector": "list",
            "top_k": "int",
        },
        required=("connection", "vector"),
        made_of=("connection",),
    ),
    "promptflow_vectordb.tool.vector_index_lookup.VectorIndexLookup.search": BuiltinTool(
        "Vector Index Lookup",
        {"path": "string", "query": "object", "top_k": "int"},
        required=("path", "query"),
        made_of=("path",),
    ),
    "promptflow_vectordb.tool.common_index_lookup.search": BuiltinTool(
        "Index Lookup",
        {"mlindex_content": "string", "queries": "object", "top_k": "int", "query_type": "string"},
        required=("mlindex_content", "queries", "top_k", "query_type"),
        made_of=("mlindex_content",),
    ),
    "promptflow_vectordb.tool.rerank.rerank": BuiltinTool(
        "Rerank",
        {"ranker_parameters": "string", "query": "string", "result_groups": "object", "top_k": "int"},
        required=("ranker_parameters", "query", "result_groups", "top_k"),
        made_of=("ranker_parameters",),
    ),
}
"""By id. Whoever has promptflow-tools installed gets these all the same: they share the worker's client."""


def builtin_id(identity: str) -> str:
    """The id of the tool that is here under that id, or was under it; empty if there is none."""
    if identity in BUILTIN_TOOLS:
        return identity
    return next((new for new, tool in BUILTIN_TOOLS.items() if identity in tool.old), "")
