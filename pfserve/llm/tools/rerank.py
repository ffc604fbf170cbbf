"""The built-in tool that puts what several look-ups found into one order (promptflow-vectordb's ``rerank``)."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterable
from typing import Any

from pfserve.errors import UserError
from pfserve.llm.problems import masked
from pfserve.llm.tools.asking import Asking
from pfserve.values.indexes import BM25, SCALED_SCORE_FUSION, Ranker

_SCORE = "@promptflow_vectordb.reranker_score"
_K1, _B, _EPSILON = 1.5, 0.75, 0.25  # of Okapi BM25, as the library rank_bm25 has them

Result = dict[str, Any]


async def rerank(asking: Asking, /, ranker_parameters: Ranker, query: str, result_groups: object, top_k: int) -> object:
    """The results of all groups, the best first, each with its new score; ``top_k`` of them if that is above zero.

    Raises:
        UserError: the groups are none, or the model that ranks cannot be asked.
    """
    groups, best = _groups(result_groups), int(top_k)
    results = [dict(result) for group in groups for result in group]
    if best == 0 or not results:
        return []
    try:
        if ranker_parameters.kind == BM25:
            return _best(results, _bm25(str(query), [str(one["text"]) for one in results]), best)
        if ranker_parameters.kind == SCALED_SCORE_FUSION:
            return _best(results, _fused(groups, ranker_parameters.constant), best)
        return await _by_model(asking, ranker_parameters, str(query), results, best)
    except (KeyError, ZeroDivisionError) as problem:
        raise UserError(f"A result to rank has no usable 'text' or 'score': {problem!r}") from problem


def _groups(given: object) -> list[list[Result]]:
    if isinstance(given, list) and all(isinstance(one, dict) for one in given):
        return [given]
    if isinstance(given, list) and all(
        isinstance(one, list) and all(isinstance(x, dict) for x in one) for one in given
    ):
        return given
    raise UserError("result_groups must be of type List[dict] or List[List[dict]].")


def _best(results: list[Result], scores: Iterable[float], top_k: int) -> list[Result]:
    """Sorted by their scores; of equal ones the last comes first, as in promptflow."""
    ranked = [_scored(result, score) for result, score in zip(results, scores, strict=True)]
    ranked.sort(key=lambda one: one["additional_fields"][_SCORE])
    ranked.reverse()
    return ranked[:top_k] if top_k > 0 else ranked


def _scored(result: Result, score: object) -> Result:
    return {**result, "additional_fields": {**(result.get("additional_fields") or {}), _SCORE: score}}


def _bm25(query: str, texts: list[str]) -> list[float]:
    """How well each text fits the query, by its words."""
    words = [text.split(" ") for text in texts]
    counts = [Counter(one) for one in words]
    weights = _weights(counts)
    usual = sum(map(len, words)) / len(words)

    def score(count: Counter[str], length: int) -> float:
        damping = _K1 * (1 - _B + _B * length / usual)
        asked = query.split(" ")
        return sum(weights.get(word, 0.0) * count[word] * (_K1 + 1) / (count[word] + damping) for word in asked)

    return [score(count, len(one)) for count, one in zip(counts, words, strict=True)]


def _weights(counts: list[Counter[str]]) -> dict[str, float]:
    """How much each word tells; one that is in most texts still tells a little."""
    in_texts = Counter(word for count in counts for word in count)
    weights = {word: math.log(len(counts) - n + 0.5) - math.log(n + 0.5) for word, n in in_texts.items()}
    least = _EPSILON * sum(weights.values()) / len(weights)
    return {word: weight if weight >= 0 else least for word, weight in weights.items()}


def _fused(groups: list[list[Result]], constant: float) -> list[float]:
    scores = []
    for group in groups:
        total = sum(float(one["score"]) for one in group)
        scores += [1 / (constant + total / float(one["score"])) for one in group]
    return scores


async def _by_model(asking: Asking, ranker: Ranker, query: str, results: list[Result], top_k: int) -> list[Result]:
    url, key = f"{ranker.endpoint.rstrip('/')}/v1/rerank", ranker.key
    asked = {"query": query, "documents": [str(one["text"]) for one in results]} | (
        {"top_n": top_k} if top_k > 0 else {}
    )
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
    status, answer = await asking.models.fetch("POST", url, headers, json.dumps(asked).encode())
    text = answer.decode("utf-8", "replace")
    if status != 200:
        raise UserError(masked(f"The model that ranks refused with status {status}: {text[:500]}", [key]))
    try:
        ranked = json.loads(text)["results"]
        return [_scored(results[one["index"]], one["relevance_score"]) for one in ranked]
    except (ValueError, LookupError, TypeError, RecursionError):
        raise UserError("The answer of the model that ranks is no list of ranks.") from None
