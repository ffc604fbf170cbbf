"""What look-up tools name: an index (a folder, an index file or its text, a connection), or what ranks results."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import msgspec

from pfserve.compiler.missing import missing_module
from pfserve.connections import ConnectionProblem, Connections
from pfserve.errors import CompileError
from pfserve.flow.document import plain, read_document
from pfserve.values.connections import (
    CognitiveSearchConnection,
    Connection,
    QdrantConnection,
    ServerlessConnection,
    WeaviateConnection,
)
from pfserve.values.identity import search_scope
from pfserve.values.indexes import (
    BM25,
    QDRANT,
    SCALED_SCORE_FUSION,
    SERVERLESS_RANKER,
    WEAVIATE,
    Embedding,
    FolderIndex,
    Ranker,
    SearchIndex,
    VectorStore,
)

FAISS = "promptflow_vectordb.tool.faiss_index_lookup.FaissIndexLookup.search"
DB = "promptflow_vectordb.tool.vector_db_lookup.VectorDBLookup.search"
VECTORS = "promptflow_vectordb.tool.vector_index_lookup.VectorIndexLookup.search"
COMMON = "promptflow_vectordb.tool.common_index_lookup.search"
RERANK = "promptflow_vectordb.tool.rerank.rerank"
NAMED_BY: Mapping[str, str] = {
    FAISS: "path",
    DB: "connection",
    VECTORS: "path",
    COMMON: "mlindex_content",
    RERANK: "ranker_parameters",
}
"""The input that names the index, by tool. It has to be a literal."""

_GRAPHQL_NAME = re.compile(r"[_A-Za-z][_0-9A-Za-z]*")
_API_VERSION = "2023-11-01"  # of vector queries as they are sent


class IndexProblem(Exception):
    """The index cannot be looked up in. The text is for the author."""


Index = FolderIndex | SearchIndex | VectorStore | Ranker


def read_index(tool: str, named: object, given: Mapping[str, object], folder: Path, connections: Connections) -> Index:
    """The index that the input of a tool names; ``given`` are the other literals of the node.

    Raises:
        IndexProblem: there is none, or none that can be served.
    """
    readers: Mapping[str, Callable[[], Index]] = {
        FAISS: lambda: _opened(FolderIndex(str(folder / str(named)))),
        DB: lambda: _of_connection(named, given),
        VECTORS: lambda: _of_file(folder / str(named), connections),
        COMMON: lambda: _of_text(str(named).encode(), folder, connections),
        RERANK: lambda: _ranker(str(named), connections),
    }
    return readers[tool]()


def _opened(index: FolderIndex) -> FolderIndex:
    """The index, read here: workers share it."""
    from pfserve.llm.tools.faiss_index import open_index

    try:
        open_index(index.folder)
    except ImportError:
        raise IndexProblem(f"the index {missing_module('faiss')}") from None
    except (OSError, ValueError, LookupError, TypeError, AttributeError) as problem:
        raise IndexProblem(f"the index in '{Path(index.folder).name}' cannot be read: {problem}") from problem
    return index


def _of_connection(connection: object, given: Mapping[str, object]) -> SearchIndex | VectorStore:
    fields = {"content": given.get("text_field"), "vector": given.get("vector_field")}
    if isinstance(connection, QdrantConnection):
        return _store(QDRANT, connection, given, "collection_name")
    if isinstance(connection, WeaviateConnection):
        return _of_weaviate(connection, given)
    if not isinstance(connection, CognitiveSearchConnection):
        raise IndexProblem(f"a {type(connection).__name__} names no index")
    index = _search(connection, str(connection.api_base), _named(given, "index_name"))
    return msgspec.structs.replace(index, **{name: str(field) for name, field in fields.items() if field})


def _store(kind: str, connection: Connection, given: Mapping[str, object], named_by: str) -> VectorStore:
    address, key = str(connection["api_base"]), str(connection["api_key"] or "")
    return VectorStore(kind, address, key, _named(given, named_by), str(given.get("text_field") or ""))


def _of_weaviate(connection: WeaviateConnection, given: Mapping[str, object]) -> VectorStore:
    store = _store(WEAVIATE, connection, given, "class_name")
    for name in filter(None, (store.name, store.text)):  # they become a part of the query's text
        if not _GRAPHQL_NAME.fullmatch(name):
            raise IndexProblem(f"{name!r} is no name that Weaviate knows")
    return store


def _named(given: Mapping[str, object], by: str) -> str:
    if not given.get(by):
        raise IndexProblem(f"the input '{by}' is missing")
    return str(given[by])


def _search(connection: CognitiveSearchConnection, endpoint: str, name: str) -> SearchIndex:
    version = str(connection.api_version or _API_VERSION)
    if not connection.by_key:
        return SearchIndex(endpoint, "", version, name, scope=search_scope(connection.api_base))
    if not connection.secrets.get("api_key"):
        raise IndexProblem(f"connection '{connection.name}' has no key")
    return SearchIndex(endpoint, str(connection.api_key), version, name)


def _of_file(path: Path, connections: Connections) -> Index:
    file = path / "MLIndex" if path.is_dir() else path
    try:
        return _of_text(file.read_bytes(), file.parent, connections)
    except OSError as problem:
        raise IndexProblem(f"the index file '{file.name}' cannot be read: {problem.strerror}") from None


def _of_text(text: bytes, folder: Path, connections: Connections) -> Index:
    """The index that an index file describes."""
    try:
        described = plain(read_document(text, "MLIndex"))
    except CompileError as problem:
        raise IndexProblem(f"the description of the index is {problem.diagnostics[0].message}") from None
    index = described.get("index") if isinstance(described, dict) else None
    if not isinstance(described, dict) or not isinstance(index, dict):
        raise IndexProblem("the description of the index has no 'index'")
    embedding = _embedding(described.get("embeddings"), connections)
    kind = index.get("kind")
    if kind == "faiss":
        place = folder / str(index.get("path") or ".")
        return _opened(FolderIndex(str(place), embedding))
    if kind == "acs":
        return _azure(index, embedding, connections)
    raise IndexProblem(f"an index of kind '{kind}' is not served here: ask it in a python node, by its own library")


def _azure(index: Mapping[str, Any], embedding: Embedding | None, connections: Connections) -> SearchIndex:
    connection = _connection(index.get("connection"), connections)
    if not isinstance(connection, CognitiveSearchConnection):
        raise IndexProblem(f"the connection of the index is a {type(connection).__name__}")
    fields = {**(index.get("field_mapping") or {})}
    found = _search(connection, str(index.get("endpoint") or connection.api_base), str(index.get("index")))
    return msgspec.structs.replace(
        found,
        api_version=str(index.get("api_version") or found.api_version),
        content=str(fields.get("content") or found.content),
        vector=str(fields.get("embedding") or found.vector),
        metadata=str(fields.get("metadata") or found.metadata),
        semantic=str(index.get("semantic_configuration_name") or ""),
        embedding=embedding,
    )


def _ranker(text: str, connections: Connections) -> Ranker:
    """What puts results into an order, as the JSON that the editor writes says."""
    try:
        given = json.loads(text)
        kind, constant = given.get("ranker_type"), float(given.get("ssf_rank_constant") or 60)
    except (ValueError, TypeError, AttributeError, RecursionError):
        raise IndexProblem("'ranker_parameters' is no JSON object with a 'ranker_type'") from None
    if kind in (BM25, SCALED_SCORE_FUSION):
        return Ranker(kind, constant)
    if kind != SERVERLESS_RANKER:
        raise IndexProblem(f"Ranker type {kind!r} not supported.")
    connection = _connection({"id": given.get("connection_id")}, connections)
    if not isinstance(connection, ServerlessConnection):
        raise IndexProblem(f"the connection of the ranker is a {type(connection).__name__}")
    return Ranker(kind, constant, str(connection.api_base), str(connection.api_key))


def _embedding(described: object, connections: Connections) -> Embedding | None:
    """What makes vectors; None if the index says of nothing that could."""
    if not isinstance(described, dict) or described.get("kind") in (None, "none"):
        return None
    if described["kind"] != "open_ai":
        raise IndexProblem(f"embeddings of kind '{described['kind']}' are not served here")
    model = described.get("deployment") or described.get("model")
    return Embedding(_connection(described.get("connection"), connections), str(model))


def _connection(described: object, connections: Connections) -> Connection:
    """The connection of that name: the last part of its id in the workspace, or itself."""
    named = described.get("id") or described.get("name") if isinstance(described, dict) else described
    if not named:
        raise IndexProblem("the description of the index names no connection")
    try:
        return connections.get(str(named).rpartition("/")[2])
    except ConnectionProblem as problem:
        raise IndexProblem(str(problem)) from None
