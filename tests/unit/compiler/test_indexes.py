"""Which index a look-up tool means, found before the first request."""

from __future__ import annotations

import json

import pytest

from pfserve.compiler.missing import missing_module
from pfserve.connections import Connections, Form, Sources
from pfserve.values.indexes import SearchIndex, VectorStore
from unit.compiler.conftest import Flows

TOOLS = "promptflow_vectordb.tool."
DB = f"{TOOLS}vector_db_lookup.VectorDBLookup.search"
RERANK = f"{TOOLS}rerank.rerank"
COMMON = f"{TOOLS}common_index_lookup.search"
FORMS = {
    "search": ("CognitiveSearchConnection", {"api_key": "s3cret", "api_base": "http://search"}),
    "qdrant": ("QdrantConnection", {"api_key": "s3cret", "api_base": "http://qdrant"}),
    "weaviate": ("WeaviateConnection", {"api_key": "s3cret", "api_base": "http://weaviate"}),
    "by token": ("CognitiveSearchConnection", {"auth_mode": "meid_token", "api_base": "https://x.search.azure.us"}),
    "azure": ("AzureOpenAIConnection", {"api_key": "s3cret", "api_base": "http://azure"}),
}
ML_INDEX = {
    "embeddings": {"kind": "open_ai", "model": "ada", "deployment": "d", "connection": {"id": "/a/connections/azure"}},
    "index": {
        "kind": "acs",
        "connection": {"id": "/subscriptions/x/connections/search"},
        "endpoint": "http://other",
        "index": "mine",
        "api_version": "v",
        "field_mapping": {"content": "c", "embedding": "e", "metadata": None},
        "semantic_configuration_name": "s",
    },
}


def given() -> Connections:
    return Connections(
        Sources({name: Form(kind, value, frozenset(), "a test") for name, (kind, value) in FORMS.items()})
    )


def flow(tool: str, **inputs: object) -> str:
    node = {"name": "a", "type": "python", "source": {"type": "package", "tool": tool}, "inputs": inputs}
    return json.dumps({"outputs": {"o": {"type": "string", "reference": "${a.output}"}}, "nodes": [node]})


def index_of(flows: Flows, tool: str, **inputs: object) -> SearchIndex:
    plan = flows.compile({"flow.dag.yaml": flow(tool, **inputs)}, connections=given())
    [index] = [value for value in plan.literals if isinstance(value, SearchIndex)]
    assert "s3cret" not in repr(index)
    return index


def test_an_index_of_a_connection(flows: Flows) -> None:
    index = index_of(flows, DB, connection="search", index_name="mine", text_field="c", vector=[1.0])
    assert (index.endpoint, index.name, index.content, index.vector) == ("http://search", "mine", "c", "contentVector")


def test_an_index_that_a_token_opens(flows: Flows) -> None:
    index = index_of(flows, DB, connection="by token", index_name="mine", vector=[1.0])
    assert (index.key, index.scope) == ("", "https://search.azure.us/.default")


@pytest.mark.parametrize(("connection", "named_by"), [("qdrant", "collection_name"), ("weaviate", "class_name")])
def test_a_collection_of_a_vector_store(flows: Flows, connection: str, named_by: str) -> None:
    inputs = {"connection": connection, named_by: "Pages", "text_field": "body", "vector": [1.0]}
    plan = flows.compile({"flow.dag.yaml": flow(DB, **inputs)}, connections=given())
    [store] = [value for value in plan.literals if isinstance(value, VectorStore)]
    assert store == VectorStore(connection.capitalize(), f"http://{connection}", "s3cret", "Pages", "body")
    assert "s3cret" not in repr(store)


def test_an_index_that_a_text_describes(flows: Flows) -> None:
    inputs = {"mlindex_content": json.dumps(ML_INDEX), "queries": "q", "top_k": 3, "query_type": "Vector"}
    index = index_of(flows, COMMON, **inputs)
    assert (index.endpoint, index.name, index.api_version) == ("http://other", "mine", "v")
    assert (index.content, index.vector, index.metadata, index.semantic) == ("c", "e", "meta_json_string", "s")
    assert index.embedding is not None
    assert index.embedding.model == "d"


def changed(**index: object) -> str:
    return json.dumps({**ML_INDEX, "index": {**ML_INDEX["index"], **index}})


MISTAKES = {
    "no index name": (DB, {"connection": "search", "vector": [1]}, "the input 'index_name' is missing"),
    "no collection name": (
        DB,
        {"connection": "qdrant", "index_name": "x", "vector": [1]},
        "the input 'collection_name' is missing",
    ),
    "a class name that would be more of the query": (
        DB,
        {"connection": "weaviate", "class_name": "Page){x}", "vector": [1]},
        "'Page){x}' is no name that Weaviate knows",
    ),
    "no description": (COMMON, {"mlindex_content": "[]"}, "the description of the index has no 'index'"),
    "no YAML": (
        COMMON,
        {"mlindex_content": "{a: 1, a: 2}"},
        "the description of the index is the key 'a' stands here again, first on line 1",
    ),
    "another kind": (
        COMMON,
        {"mlindex_content": changed(kind="pinecone")},
        "an index of kind 'pinecone' is not served here: ask it in a python node, by its own library",
    ),
    "no connection": (
        COMMON,
        {"mlindex_content": changed(connection=None)},
        "the description of the index names no connection",
    ),
    "another connection": (
        COMMON,
        {"mlindex_content": changed(connection={"id": "azure"})},
        "the connection of the index is a AzureOpenAIConnection",
    ),
    "no ranker": (
        RERANK,
        {"ranker_parameters": "{", "query": "q", "result_groups": "[]", "top_k": 1},
        "'ranker_parameters' is no JSON object with a 'ranker_type'",
    ),
    "an unknown ranker": (
        RERANK,
        {"ranker_parameters": '{"ranker_type": "Guess"}', "query": "q", "result_groups": "[]", "top_k": 1},
        "Ranker type 'Guess' not supported.",
    ),
    "a ranker of another connection": (
        RERANK,
        {
            "ranker_parameters": '{"ranker_type": "Serverless Deployment", "connection_id": "/x/connections/azure"}',
            "query": "q",
            "result_groups": "[]",
            "top_k": 1,
        },
        "the connection of the ranker is a AzureOpenAIConnection",
    ),
    "no file": (
        f"{TOOLS}vector_index_lookup.VectorIndexLookup.search",
        {"path": "nowhere", "query": "q"},
        "the index file 'nowhere' cannot be read: No such file or directory",
    ),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_an_index_that_cannot_be_looked_up_in(flows: Flows, name: str) -> None:
    tool, inputs, expected = MISTAKES[name]
    [told] = flows.mistakes({"flow.dag.yaml": flow(tool, **inputs)}, connections=given())
    assert told.partition(": ")[2] == f"node 'a': {expected}"


def test_a_folder_without_an_index(flows: Flows) -> None:
    pytest.importorskip("faiss")
    tool = f"{TOOLS}faiss_index_lookup.FaissIndexLookup.search"
    files = {"flow.dag.yaml": flow(tool, path="here", vector=[1.0]), "here/a.txt": ""}
    [told] = flows.mistakes(files)
    assert told.endswith("node 'a': the index in 'here' cannot be read: there is no index.faiss in here")
    (flows.folder / "here/index.faiss").write_bytes(b"no index")
    [told] = flows.mistakes(files)
    assert told.endswith("node 'a': the index in 'here' cannot be read: index.faiss is no index of FAISS")


def test_a_library_that_is_absent_is_named_with_what_to_install() -> None:
    assert missing_module("") == missing_module("json") == ""
    assert missing_module("nowhere_at_all") == (
        "needs the module nowhere_at_all, which is not installed: pip install 'pfserve[lookup]'"
    )
