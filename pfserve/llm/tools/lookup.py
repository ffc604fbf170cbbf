"""The built-in tools that look things up in indexes: Azure AI Search by its REST API, FAISS in a folder."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple
from urllib.parse import quote

from pfserve.errors import UserError
from pfserve.llm.problems import masked
from pfserve.llm.tools.asking import Asking
from pfserve.llm.tools.faiss_index import open_index
from pfserve.llm.tools.vector_stores import nearest_in_store
from pfserve.values.indexes import (
    KEYWORD,
    SEMANTIC,
    VECTOR,
    VECTOR_KEYWORD,
    VECTOR_SEMANTIC,
    Embedding,
    FolderIndex,
    SearchIndex,
    VectorStore,
)

_KEYWORDS = (KEYWORD, SEMANTIC, VECTOR_KEYWORD, VECTOR_SEMANTIC)
_VECTORS = (VECTOR, VECTOR_KEYWORD, VECTOR_SEMANTIC)
_SEMANTICS = (SEMANTIC, VECTOR_SEMANTIC)
_CAPTIONS = "@search.captions"

Document = dict[str, object]


class _Query(NamedTuple):
    text: str
    vector: object
    kind: str
    top_k: int
    more: Mapping[str, object] | None = None  # what the author adds to the request


async def search_faiss(asking: Asking, /, path: FolderIndex, vector: object, top_k: int = 3) -> object:
    """The texts of a folder's index that are nearest to a vector."""
    return await _nearest(path, vector, top_k)


async def search_db(
    asking: Asking,
    /,
    connection: SearchIndex | VectorStore,
    vector: list[float],
    top_k: int = 3,
    *,
    search_params: Mapping[str, object] | None = None,
    search_filters: Mapping[str, object] | None = None,
    **names: object,  # of the index and its fields: the compiler has put them into the index
) -> object:
    """The documents of an index whose vectors are nearest."""
    more = {**(search_params or {}), **(search_filters or {})}
    if isinstance(connection, VectorStore):
        return await nearest_in_store(asking, connection, vector, int(top_k), more)
    found = await _documents(asking, connection, _Query("", vector, VECTOR, top_k, more))
    return [_as_plain(connection, one) for one in found]


async def search_vectors(asking: Asking, /, path: FolderIndex | SearchIndex, query: object, top_k: int = 3) -> object:
    """The documents of an index that are nearest to a text or a vector."""
    vector = await _vector(asking, path.embedding, query) if isinstance(query, str) else query
    if isinstance(path, FolderIndex):
        return await _nearest(path, vector, top_k)
    found = await _documents(asking, path, _Query("", vector, VECTOR, top_k))
    return [_as_plain(path, one) for one in found]


async def search(
    asking: Asking, /, mlindex_content: FolderIndex | SearchIndex, queries: object, top_k: int, query_type: str
) -> object:
    """The documents for a query, or for each of a list of queries."""
    if isinstance(queries, str):
        return await _found(asking, mlindex_content, queries, top_k, query_type)
    if not isinstance(queries, list) or not all(isinstance(one, str) for one in queries):
        expected = "Expected input type to be either `str` or `List[str]`"
        if isinstance(queries, list) and all(isinstance(one, float) for one in queries):
            hint = " Did you perhaps pass in an embedding vector instead of a string query?"
            raise UserError(f"{expected}, found `List[float]`.{hint}")
        raise UserError(f"{expected}.")
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(_found(asking, mlindex_content, one, top_k, query_type)) for one in queries]
    return [task.result() for task in tasks]


async def _found(
    asking: Asking, index: FolderIndex | SearchIndex, query: str, top_k: int, query_type: str
) -> list[Document]:
    vector = await _vector(asking, index.embedding, query) if query_type in _VECTORS else None
    if isinstance(index, FolderIndex):
        if query_type != VECTOR:
            raise UserError(f"Unsupported query type: {query_type} for index kind faiss.")
        return [{**one, "additional_fields": one["metadata"]} for one in await _nearest(index, vector, top_k)]
    if query_type not in (*_VECTORS, *_KEYWORDS):
        raise UserError(f"Unsupported query type: {query_type} for index kind acs.")
    asked = _Query(query, vector, query_type, top_k)
    return [_as_rich(index, one) for one in await _documents(asking, index, asked)]


async def _vector(asking: Asking, embedding: Embedding | None, query: str) -> list[float]:
    if embedding is None:
        raise UserError("The index says of no model that makes vectors of texts.")
    return await asking.models.embedding(embedding.connection, query, embedding.model)


async def _nearest(index: FolderIndex, vector: object, top_k: int) -> list[Document]:
    """What is nearest in a folder's index. Searching it is work for a thread, not for the loop."""
    found = await asyncio.to_thread(open_index(index.folder).search, vector, top_k)
    return [{"text": one.text, "metadata": one.metadata, "score": one.score} for one in found]


# -- Azure AI Search


async def _documents(asking: Asking, index: SearchIndex, query: _Query) -> list[Document]:
    """What the service finds.

    Raises:
        UserError: it refuses, or its answer is none.
    """
    url = f"{index.endpoint.rstrip('/')}/indexes/{quote(index.name, safe='')}/docs/search"
    headers = {"Content-Type": "application/json", **await _opened_by(asking, index)}
    body = json.dumps(_asked(index, query)).encode()
    status, answer = await asking.models.fetch("POST", f"{url}?api-version={index.api_version}", headers, body)
    text = answer.decode("utf-8", "replace")
    if status != 200:
        raise UserError(masked(f"Azure AI Search refused the query with status {status}: {_said(text)}", [index.key]))
    try:
        found: list[Document] = json.loads(text)["value"]
    except (ValueError, LookupError, TypeError):
        raise UserError("The answer of Azure AI Search is no list of documents.") from None
    return found


async def _opened_by(asking: Asking, index: SearchIndex) -> dict[str, str]:
    """The header with the key or the access token."""
    if not index.scope:
        return {"api-key": index.key}
    return {"Authorization": f"Bearer {await asking.models.access_token(index.scope)}"}


def _asked(index: SearchIndex, query: _Query) -> Document:
    top_k = int(query.top_k)
    asked: Document = {"search": query.text if query.kind in _KEYWORDS else None, "top": top_k}
    if query.kind in _VECTORS:
        asked["vectorQueries"] = [{"kind": "vector", "vector": query.vector, "fields": index.vector, "k": top_k}]
    if query.kind in _SEMANTICS:
        asked |= {"queryType": "semantic", "semanticConfiguration": index.semantic}
        asked |= {"captions": "extractive", "answers": "extractive"}
    return {**asked, **(query.more or {})}


def _said(text: str) -> str:
    try:
        return str(json.loads(text)["error"]["message"])
    except (ValueError, LookupError, TypeError):
        return text[:500]


def _as_plain(index: SearchIndex, found: Mapping[str, Any]) -> Document:
    """A document as the tools for vectors give it."""
    rest = {name: value for name, value in found.items() if name not in (index.vector, index.content)}
    metadata = json.loads(found[index.metadata]) if index.metadata in found else rest
    return {"text": found[index.content], "metadata": metadata, "score": found["@search.score"]}


def _as_rich(index: SearchIndex, found: Mapping[str, Any]) -> Document:
    """A document as the tool for queries gives it: its metadata, and its other fields."""
    fields = dict(_fields(index, found))
    packed = fields.pop(index.metadata, None)
    try:
        metadata = json.loads(packed)
    except (TypeError, ValueError):
        metadata = packed
    score = float(found.get("@search.rerankerScore") or found["@search.score"])
    return {"text": found[index.content], "metadata": metadata or fields, "additional_fields": fields, "score": score}


def _fields(index: SearchIndex, found: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    return ((name, value) for name, value in found.items() if name not in (index.content, index.vector, _CAPTIONS))
