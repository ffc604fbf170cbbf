"""The built-in tools (contract 3.10): async functions on the worker's loop, over its one pooled client."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping
from typing import Any, NamedTuple

from pfserve.llm.tools import content_safety, language, lookup, open_model, rerank, serpapi
from pfserve.llm.tools.asking import Asking

__all__ = ["TOOLS", "Asking", "Tool"]


class Tool(NamedTuple):
    """``ask`` takes an :class:`Asking` and the node's inputs by name."""

    ask: Callable[..., Coroutine[Any, Any, object]]
    of_models: bool = False  # whatever goes wrong is told as a failure of the model's API, as promptflow tells it


TOOLS: Mapping[str, Tool] = {
    "promptflow.tools.llm.llm": Tool(language.llm, of_models=True),
    "promptflow.tools.llm_vision.llm_vision": Tool(language.llm_vision, of_models=True),
    "promptflow.tools.aoai_gpt4v.AzureOpenAI.chat": Tool(language.azure_vision, of_models=True),
    "promptflow.tools.openai_gpt4v.OpenAI.chat": Tool(language.openai_vision, of_models=True),
    "promptflow.tools.embedding.embedding": Tool(language.embedding, of_models=True),
    "promptflow.tools.open_model_llm.OpenModelLLM.call": Tool(open_model.call),
    "promptflow.tools.serpapi.SerpAPI.search": Tool(serpapi.search),
    "promptflow.tools.azure_content_safety.analyze_text": Tool(content_safety.analyze_text),
    "promptflow_vectordb.tool.faiss_index_lookup.FaissIndexLookup.search": Tool(lookup.search_faiss),
    "promptflow_vectordb.tool.vector_db_lookup.VectorDBLookup.search": Tool(lookup.search_db),
    "promptflow_vectordb.tool.vector_index_lookup.VectorIndexLookup.search": Tool(lookup.search_vectors),
    "promptflow_vectordb.tool.common_index_lookup.search": Tool(lookup.search),
    "promptflow_vectordb.tool.rerank.rerank": Tool(rerank.rerank),
}
