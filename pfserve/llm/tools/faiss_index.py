"""An index of FAISS in a folder: in azureml-rag's form, or in langchain's (contract 3.10)."""

from __future__ import annotations

import functools
import json
import pickle
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO, Any, NamedTuple

from pfserve.errors import UserError

_INDEX = "index.faiss"
_NO_VECTOR = "The vector to look up must be a list of numbers."
_LANGCHAIN = {"InMemoryDocstore", "Document"}


class Found(NamedTuple):
    """A text of the index, and how near it is: the smaller, the nearer."""

    text: str
    metadata: object
    score: float


class FaissIndex:
    """What a folder holds. Searching blocks; any number of threads may search at a time."""

    def __init__(self, index: Any, texts: Callable[[int], tuple[str, object]]) -> None:
        self._index = index
        self._texts = texts

    def search(self, vector: object, top_k: int) -> list[Found]:
        """The nearest texts.

        Raises:
            UserError: the vector is none, or is longer or shorter than those of the index.
        """
        import numpy as np

        try:
            asked = np.asarray([vector], dtype=np.float32)
        except (TypeError, ValueError):
            raise UserError(_NO_VECTOR) from None
        if asked.ndim != 2:
            raise UserError(_NO_VECTOR)
        if asked.shape[1] != self._index.d:
            length = f"has {asked.shape[1]} numbers, those of the index have {self._index.d}"
            raise UserError(f"The vector to look up {length}.")
        scores, places = self._index.search(asked, int(top_k))
        near = zip(scores[0].tolist(), places[0].tolist(), strict=True)
        return [Found(*self._texts(place), score) for score, place in near if place >= 0]


@functools.cache
def open_index(folder: str) -> FaissIndex:
    """The index of a folder, read once.

    Raises:
        OSError, ValueError, KeyError, TypeError: there is none, or it cannot be read.
        ImportError: faiss is not installed.
    """
    import faiss

    place = Path(folder)
    if not (place / _INDEX).is_file():
        raise FileNotFoundError(f"there is no {_INDEX} in {place.name}")
    try:
        index = faiss.read_index(str(place / _INDEX))
    except RuntimeError as problem:
        raise ValueError(f"{_INDEX} is no index of FAISS") from problem
    return FaissIndex(index, _rag_texts(place) if (place / "index_to_doc_id.json").is_file() else _pickled_texts(place))


def _rag_texts(place: Path) -> Callable[[int], tuple[str, object]]:
    ids = json.loads((place / "index_to_doc_id.json").read_bytes())
    lines = (place / "docstore" / "docs.jsonl").read_text(encoding="utf-8").splitlines()
    documents = {str(one.get("document_id")): one for one in map(json.loads, filter(None, lines))}

    def text(position: int) -> tuple[str, object]:
        found = documents[str(ids[str(position)])]
        data = found.get("data", found.get("page_content", ""))
        return str(data), found.get("metadata", {})

    return text


class _Plain:
    """Stands in for langchain's classes: what they held."""

    def __setstate__(self, state: Mapping[str, Any]) -> None:
        values = state.get("__dict__", state)  # pydantic's models keep their fields one deeper
        self.__dict__.update(values)


class _Reader(pickle.Unpickler):
    """Reads langchain's texts, and no other class: a pickle may name any function to call."""

    def find_class(self, module: str, name: str) -> type:
        """The class that stands for one of langchain's."""
        if module.partition(".")[0].startswith("langchain") and name in _LANGCHAIN:
            return _Plain
        raise pickle.UnpicklingError(f"{module}.{name} is none of langchain's texts")


def _pickled_texts(place: Path) -> Callable[[int], tuple[str, object]]:
    with (place / "index.pkl").open("rb") as file:
        store, ids = _unpickled(file)

    def text(position: int) -> tuple[str, object]:
        found = store._dict[ids[position]]
        return str(found.page_content), found.metadata

    return text


def _unpickled(file: IO[bytes]) -> tuple[Any, Any]:
    try:
        store, ids = _Reader(file).load()
    except (pickle.UnpicklingError, EOFError, AttributeError, IndexError) as problem:
        raise ValueError(f"index.pkl cannot be read: {problem}") from problem
    return store, ids
