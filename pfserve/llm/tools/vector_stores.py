"""Vector stores that the look-up tool asks by their REST APIs: Qdrant and Weaviate (contract 3.10).

What is sent and what comes back has the form that promptflow-vectordb had for as long as it asked them.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import quote

from pfserve.errors import UserError
from pfserve.llm.problems import masked
from pfserve.llm.tools.asking import Asking
from pfserve.values.indexes import QDRANT, VectorStore

_SHOWN = 500  # characters of an answer that is quoted

Found = dict[str, object]


async def nearest_in_store(
    asking: Asking, store: VectorStore, vector: object, top_k: int, more: Mapping[str, object]
) -> list[Found]:
    """What the store finds near a vector; ``more`` goes into the request of Qdrant, which takes filters there.

    Raises:
        UserError: the vector is none, the store refuses, or its answer is none.
    """
    numbers = _numbers(vector)
    if store.kind == QDRANT:
        asked = {"vector": numbers, "limit": top_k, "with_vector": True, "with_payload": True, **more}
        path = f"collections/{quote(store.name, safe='')}/points/search"
        answer = await _asked(asking, store, path, {"api-key": store.key} if store.key else {}, asked)
        return _read(store, answer, _of_qdrant)
    key = {"Authorization": f"Bearer {store.key}"} if store.key else {}
    answer = await _asked(asking, store, "v1/graphql", key, {"query": _graphql(store, numbers, top_k)})
    if isinstance(answer, dict) and answer.get("errors"):
        raise UserError(masked(f"Weaviate refused the query: {_said(answer['errors'])}", [store.key]))
    return _read(store, answer, _of_weaviate)


def _numbers(vector: object) -> list[float]:
    if not isinstance(vector, list) or not all(type(one) in (int, float) for one in vector):
        raise UserError("The vector to look up must be a list of numbers.")
    return vector


async def _asked(asking: Asking, store: VectorStore, path: str, key: dict[str, str], asked: object) -> object:
    headers = {"Content-Type": "application/json", **key}
    url = f"{store.endpoint.rstrip('/')}/{path}"
    status, answer = await asking.models.fetch("POST", url, headers, json.dumps(asked).encode())
    text = answer.decode("utf-8", "replace")
    if status != 200:
        told = f"{store.kind} refused the query with status {status}: {text[:_SHOWN]}"
        raise UserError(masked(told, [store.key]))
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        raise _no_list(store) from None


def _read(store: VectorStore, answer: object, read: Callable[[VectorStore, Any], list[Found]]) -> list[Found]:
    try:
        return read(store, answer)
    except (LookupError, TypeError, AttributeError):
        raise _no_list(store) from None


def _no_list(store: VectorStore) -> UserError:
    return UserError(f"The answer of {store.kind} is no list of what it found.")


def _of_qdrant(store: VectorStore, answer: Any) -> list[Found]:
    return [
        {
            "text": one["payload"][store.text] if store.text else None,
            "vector": one["vector"],
            "score": one["score"],
            "original_entity": one,
            "metadata": one["payload"],
        }
        for one in answer["result"]
    ]


def _of_weaviate(store: VectorStore, answer: Any) -> list[Found]:
    return [
        {
            "text": one[store.text] if store.text else None,
            "vector": one["_additional"]["vector"],
            "score": one["_additional"]["certainty"],
            "original_entity": one,
            "metadata": None,
        }
        for one in answer["data"]["Get"][store.name]
    ]


def _graphql(store: VectorStore, vector: list[float], top_k: int) -> str:
    """The query; the names in it are those of the flow's author, checked when the flow was compiled."""
    near = f"nearVector: {{vector: {json.dumps(vector)}}} limit: {top_k}"
    return f"{{ Get {{ {store.name}({near}) {{ {store.text} _additional {{ certainty distance vector }} }} }} }}"


def _said(errors: Any) -> str:
    try:
        return str(errors[0]["message"])
    except (LookupError, TypeError):
        return str(errors)[:_SHOWN]
