"""Indexes: what Azure AI Search is asked and how its documents are read; FAISS's folders."""

from __future__ import annotations

import asyncio
import json
import pickle

import pytest

from pfserve.errors import UserError
from pfserve.llm.tools import TOOLS, Asking
from pfserve.values.indexes import Embedding, FolderIndex, SearchIndex, VectorStore
from unit.llm.tools.test_services import FakeModels

DB = "promptflow_vectordb.tool.vector_db_lookup.VectorDBLookup.search"
VECTORS = "promptflow_vectordb.tool.vector_index_lookup.VectorIndexLookup.search"
COMMON = "promptflow_vectordb.tool.common_index_lookup.search"
FAISS = "promptflow_vectordb.tool.faiss_index_lookup.FaissIndexLookup.search"
INDEX = SearchIndex(
    "http://search/", "search-key", "2023-11-01", "my index", semantic="s", embedding=Embedding("c", "m")
)
DOCUMENT = {"@search.score": 0.5, "id": "1", "content": "words", "contentVector": [1.0], "title": "t"}
VECTOR = {"kind": "vector", "vector": [1.0, 2.0], "fields": "contentVector", "k": 2}


class Models(FakeModels):
    async def embedding(self, connection, text, model):
        assert (connection, model) == ("c", "m")
        return [1.0, 2.0]


def look(identity, *answers, **given):
    models = Models(*answers)
    return asyncio.run(TOOLS[identity].ask(Asking(models, None, (), None), **given)), models


def found(*documents):
    return (200, {"value": list(documents)})


def test_a_vector_is_looked_up_by_rest():
    documents, models = look(DB, found(DOCUMENT), connection=INDEX, vector=[1.0, 2.0], top_k=2, index_name="my index")
    method, url, headers, body = models.asked[0]
    assert (method, url) == ("POST", "http://search/indexes/my%20index/docs/search?api-version=2023-11-01")
    assert headers["api-key"] == "search-key"
    assert body == {"search": None, "top": 2, "vectorQueries": [VECTOR]}
    assert documents == [
        {"text": "words", "metadata": {"@search.score": 0.5, "id": "1", "title": "t"}, "score": 0.5}
    ]  # fmt: skip


def test_metadata_in_a_field_of_their_own_are_read():
    packed = {**DOCUMENT, "meta_json_string": '{"source": "s"}'}
    [document], _ = look(VECTORS, found(packed), path=INDEX, query=[1.0, 2.0])
    assert document["metadata"] == {"source": "s"}


@pytest.mark.parametrize(
    ("kind", "asked"),
    [
        ("Keyword", {"search": "q", "top": 2}),
        ("Vector", {"search": None, "top": 2, "vectorQueries": [VECTOR]}),
        ("Hybrid (vector + keyword)", {"search": "q", "top": 2, "vectorQueries": [VECTOR]}),
        ("Semantic", {"search": "q", "top": 2, "queryType": "semantic", "semanticConfiguration": "s",
                      "captions": "extractive", "answers": "extractive"}),
    ],
)  # fmt: skip
def test_each_kind_of_query(kind, asked):
    documents, models = look(COMMON, found(DOCUMENT), mlindex_content=INDEX, queries="q", top_k=2, query_type=kind)
    assert models.asked[0][3] == asked
    fields = {"@search.score": 0.5, "id": "1", "title": "t"}
    assert documents == [{"text": "words", "metadata": fields, "additional_fields": fields, "score": 0.5}]


def test_a_list_of_queries_gives_a_list_of_lists():
    documents, _ = look(COMMON, found(DOCUMENT), found(), mlindex_content=INDEX, queries=["a", "b"], top_k=1,
                        query_type="Keyword")  # fmt: skip
    assert [len(one) for one in documents] == [1, 0]


@pytest.mark.parametrize(
    ("queries", "kind", "message"),
    [
        ([0.5], "Vector", "Expected input type to be either `str` or `List[str]`, found `List[float]`. Did you perhaps "
         "pass in an embedding vector instead of a string query?"),
        (5, "Vector", "Expected input type to be either `str` or `List[str]`."),
        ("q", "Psychic", "Unsupported query type: Psychic for index kind acs."),
    ],
)  # fmt: skip
def test_queries_that_are_none(queries, kind, message):
    with pytest.raises(UserError) as caught:
        look(COMMON, found(), mlindex_content=INDEX, queries=queries, top_k=1, query_type=kind)
    assert caught.value.message == message


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (
            (403, {"error": {"message": "no search-key"}}),
            "Azure AI Search refused the query with status 403: no ******",
        ),
        ((500, b"down"), "Azure AI Search refused the query with status 500: down"),
        ((200, b"<html>"), "The answer of Azure AI Search is no list of documents."),
        ((200, []), "The answer of Azure AI Search is no list of documents."),
    ],
)
def test_a_service_that_does_not_find(answer, message):
    with pytest.raises(UserError) as caught:
        look(DB, answer, connection=INDEX, vector=[1.0])
    assert caught.value.message == message


def test_an_index_that_cannot_make_vectors():
    index = SearchIndex("http://search", "k", "v", "n")
    with pytest.raises(UserError, match="says of no model"):
        look(VECTORS, path=index, query="text")


@pytest.mark.parametrize("more", [{"search_filters": {"filter": "n eq 1"}}, {"search_params": {"filter": "n eq 1"}}])
def test_what_the_author_adds_is_sent(more):
    _, models = look(DB, found(), connection=INDEX, vector=[1.0, 2.0], top_k=2, **more)
    assert models.asked[0][3] == {"search": None, "top": 2, "vectorQueries": [VECTOR], "filter": "n eq 1"}


# -- vector stores

POINTS = VectorStore("Qdrant", "http://store/", "store-key", "my points", "body")
PAGES = VectorStore("Weaviate", "http://store", "store-key", "Page", "body")
REFUSED = "refused the query with status 403: no ******"


@pytest.mark.parametrize(
    ("store", "answer", "message"),
    [
        (POINTS, (403, b"no store-key"), f"Qdrant {REFUSED}"),
        (PAGES, (403, b"no store-key"), f"Weaviate {REFUSED}"),
        (PAGES, (200, {"errors": [{"message": "no store-key"}]}), "Weaviate refused the query: no ******"),
        (PAGES, (200, {"errors": "odd"}), "Weaviate refused the query: odd"),
        (POINTS, (200, b"<html>"), "The answer of Qdrant is no list of what it found."),
        (POINTS, (200, b"[" * 100_000), "The answer of Qdrant is no list of what it found."),
        (POINTS, (200, {"result": [{"score": 1}]}), "The answer of Qdrant is no list of what it found."),
        (PAGES, (200, {"data": {"Get": None}}), "The answer of Weaviate is no list of what it found."),
        (PAGES, (200, [1]), "The answer of Weaviate is no list of what it found."),
    ],
)
def test_a_store_that_does_not_find(store, answer, message):
    with pytest.raises(UserError) as caught:
        look(DB, answer, connection=store, vector=[1.0])
    assert caught.value.message == message


def test_a_store_is_asked_by_rest():
    _, models = look(DB, (200, {"result": []}), connection=POINTS, vector=[1, 2.5], top_k="2")
    method, url, headers, body = models.asked[0]
    assert (method, url) == ("POST", "http://store/collections/my%20points/points/search")
    assert headers["api-key"] == "store-key"
    assert body == {"vector": [1, 2.5], "limit": 2, "with_vector": True, "with_payload": True}


@pytest.mark.parametrize("vector", ["text", None, ["1"], [[1.0]], [True]])
def test_a_store_is_asked_for_numbers_only(vector):
    with pytest.raises(UserError, match=r"^The vector to look up must be a list of numbers\.$"):
        look(DB, connection=PAGES, vector=vector)


# -- FAISS


@pytest.fixture
def folder(tmp_path):
    faiss, np = pytest.importorskip("faiss"), pytest.importorskip("numpy")
    index = faiss.IndexFlatL2(2)
    index.add(np.array([[0, 0], [1, 0], [5, 5]], dtype=np.float32))
    faiss.write_index(index, str(tmp_path / "index.faiss"))
    (tmp_path / "index_to_doc_id.json").write_text(json.dumps({str(place): f"d{place}" for place in range(3)}))
    (tmp_path / "docstore").mkdir()
    lines = [{"document_id": f"d{place}", "data": f"text {place}", "metadata": {"n": place}} for place in range(3)]
    (tmp_path / "docstore/docs.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return tmp_path


def test_the_nearest_texts_of_a_folder(folder):
    documents, _ = look(FAISS, path=FolderIndex(str(folder)), vector=[1, 0], top_k=2)
    assert documents == [
        {"text": "text 1", "metadata": {"n": 1}, "score": 0.0},
        {"text": "text 0", "metadata": {"n": 0}, "score": 1.0},
    ]


def test_more_than_there_are_gives_all(folder):
    assert len(look(FAISS, path=FolderIndex(str(folder)), vector=[1, 0], top_k=9)[0]) == 3


def test_a_text_is_looked_up_by_its_vector(folder):
    index = FolderIndex(str(folder), Embedding("c", "m"))
    given = {"mlindex_content": index, "queries": "q", "top_k": 1}
    [document], _ = look(COMMON, query_type="Vector", **given)
    assert document["additional_fields"] == document["metadata"] == {"n": 1}
    with pytest.raises(UserError, match="Unsupported query type: Keyword for index kind faiss"):
        look(COMMON, query_type="Keyword", **given)


@pytest.mark.parametrize(
    ("vector", "message"),
    [
        ([1.0], "The vector to look up has 1 numbers, those of the index have 2."),
        (["a", "b"], "The vector to look up must be a list of numbers."),
        ("text", "The vector to look up must be a list of numbers."),
        ([[1.0, 0.0]], "The vector to look up must be a list of numbers."),
        (None, "The vector to look up must be a list of numbers."),
    ],
)
def test_a_vector_that_is_none(folder, vector, message):
    with pytest.raises(UserError) as caught:
        look(FAISS, path=FolderIndex(str(folder)), vector=vector)
    assert caught.value.message == message


class Document:
    """As langchain's."""

    def __init__(self, text):
        self.page_content, self.metadata = text, {"of": text}


class InMemoryDocstore:
    def __init__(self, texts):
        self._dict = texts


Document.__module__ = InMemoryDocstore.__module__ = "langchain.fake"


def pickled(monkeypatch, value):
    import sys
    from types import ModuleType

    module = ModuleType("langchain.fake")
    vars(module).update(Document=Document, InMemoryDocstore=InMemoryDocstore)
    monkeypatch.setitem(sys.modules, "langchain", ModuleType("langchain"))
    monkeypatch.setitem(sys.modules, "langchain.fake", module)
    return pickle.dumps(value)


def test_langchains_form_is_read_without_langchain(folder, monkeypatch):
    store = InMemoryDocstore({f"k{place}": Document(f"text {place}") for place in range(3)})
    (folder / "index.pkl").write_bytes(pickled(monkeypatch, (store, {place: f"k{place}" for place in range(3)})))
    (folder / "index_to_doc_id.json").unlink()
    documents, _ = look(FAISS, path=FolderIndex(str(folder)), vector=[5, 5], top_k=1)
    assert documents == [{"text": "text 2", "metadata": {"of": "text 2"}, "score": 0.0}]


class Evil:
    def __reduce__(self):
        return print, ("evil",)


def test_a_pickle_that_would_run_code_is_refused(folder, capsys):
    (folder / "index.pkl").write_bytes(pickle.dumps((Evil(), {})))
    (folder / "index_to_doc_id.json").unlink()
    with pytest.raises(ValueError, match=r"builtins\.print is none of langchain's texts"):
        look(FAISS, path=FolderIndex(str(folder)), vector=[5, 5])
    assert capsys.readouterr().out == ""
