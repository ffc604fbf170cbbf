"""One order for what several look-ups found."""

from __future__ import annotations

import asyncio

import pytest

from pfserve.errors import UserError
from pfserve.llm.tools import TOOLS, Asking
from pfserve.values.indexes import BM25, SCALED_SCORE_FUSION, SERVERLESS_RANKER, Ranker
from unit.llm.tools.test_services import FakeModels

RERANK = "promptflow_vectordb.tool.rerank.rerank"
MODEL = Ranker(SERVERLESS_RANKER, 60, "http://ranker/", "rank-key")
TEXTS = ["the cat sat on the mat", "the dog", "a cat and a dog", "the the the", "", "cat"]


def rank(ranker, groups, *answers, query="q", top_k=-1):
    models = FakeModels(*answers)
    given = {"ranker_parameters": ranker, "query": query, "result_groups": groups, "top_k": top_k}
    return asyncio.run(TOOLS[RERANK].ask(Asking(models, None, (), None), **given)), models


def scores(results):
    return [(one["text"], one["additional_fields"]["@promptflow_vectordb.reranker_score"]) for one in results]


@pytest.mark.parametrize(
    ("query", "expected"),  # of the library rank_bm25 0.2.2
    [
        ("dog the the", {"the dog": 0.691513723414, "a cat and a dog": 0.452143588386}),
        ("the cat", {}),
        ("nothing", {}),
        ("", {"": 1.856118548758}),
    ],
)
def test_words_are_weighed_as_the_library_does(query, expected):
    results, _ = rank(Ranker(BM25), [{"text": text} for text in TEXTS], query=query)
    found = dict(scores(results))
    assert found == {text: pytest.approx(expected.get(text, 0.0), abs=1e-11) for text in TEXTS}
    assert list(found)[: len(expected)] == sorted(expected, key=lambda text: -expected[text])


def test_equal_scores_come_last_first():
    results, _ = rank(Ranker(BM25), [{"text": text} for text in ("a", "b", "c")])
    assert [one["text"] for one in results] == ["c", "b", "a"]


def test_places_in_groups_are_fused_and_what_was_given_is_left_alone():
    groups = [
        [{"text": "a", "score": 3, "additional_fields": {"n": 1}}, {"text": "b", "score": 1}],
        [{"text": "c", "score": 2}],
    ]
    results, _ = rank(Ranker(SCALED_SCORE_FUSION, 1), groups, top_k="2")
    assert scores(results) == [("c", 1 / 2), ("a", 1 / (1 + 4 / 3))]
    assert results[1]["additional_fields"]["n"] == 1
    assert groups[0][0]["additional_fields"] == {"n": 1}


def test_a_model_ranks():
    answer = (200, {"results": [{"index": 1, "relevance_score": 0.9}, {"index": 0, "relevance_score": 0.1}]})
    results, models = rank(MODEL, [{"text": "a"}, {"text": "b"}], answer, top_k=2)
    method, url, headers, body = models.asked[0]
    assert (method, url, headers["Authorization"]) == ("POST", "http://ranker/v1/rerank", "Bearer rank-key")
    assert body == {"query": "q", "documents": ["a", "b"], "top_n": 2}
    assert scores(results) == [("b", 0.9), ("a", 0.1)]


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        ((401, b"no rank-key"), "The model that ranks refused with status 401: no ******"),
        ((200, b"<html>"), "The answer of the model that ranks is no list of ranks."),
        (
            (200, {"results": [{"index": 7, "relevance_score": 1}]}),
            "The answer of the model that ranks is no list of ranks.",
        ),
        ((200, [1]), "The answer of the model that ranks is no list of ranks."),
    ],
)
def test_a_model_that_does_not_rank(answer, message):
    with pytest.raises(UserError) as caught:
        rank(MODEL, [{"text": "a"}], answer)
    assert caught.value.message == message


@pytest.mark.parametrize("groups", ["text", [1], [[{}], 1], {}, None])
def test_groups_that_are_none(groups):
    with pytest.raises(UserError, match=r"result_groups must be of type List\[dict\] or List\[List\[dict\]\]\."):
        rank(Ranker(BM25), groups)


@pytest.mark.parametrize(("kind", "result"), [(BM25, {"score": 1}), (SCALED_SCORE_FUSION, {"text": "a", "score": 0})])
def test_a_result_that_cannot_be_ranked(kind, result):
    with pytest.raises(UserError, match="has no usable 'text' or 'score'"):
        rank(Ranker(kind), [result])


@pytest.mark.parametrize(("groups", "top_k"), [([], 3), ([[]], 3), ([{"text": "a"}], 0)])
def test_nothing_to_rank(groups, top_k):
    assert rank(Ranker(BM25), groups, top_k=top_k)[0] == []
