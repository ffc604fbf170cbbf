"""Indexes that flows look things up in, as the compiler reads them (contract 3.10). Data only."""

from __future__ import annotations

import msgspec

KEYWORD = "Keyword"
SEMANTIC = "Semantic"
VECTOR = "Vector"
VECTOR_KEYWORD = "Hybrid (vector + keyword)"
VECTOR_SEMANTIC = "Hybrid + semantic"

BM25 = "BM25"
SCALED_SCORE_FUSION = "Scaled Score Fusion"
SERVERLESS_RANKER = "Serverless Deployment"

QDRANT = "Qdrant"
WEAVIATE = "Weaviate"


class Embedding(msgspec.Struct, frozen=True):
    """What makes vectors of queries."""

    connection: object  # of pfserve.values.connections
    model: str  # of OpenAI, or the deployment of Azure


class SearchIndex(msgspec.Struct, frozen=True):
    """An index of Azure AI Search."""

    endpoint: str
    key: str
    api_version: str
    name: str
    content: str = "content"
    vector: str = "contentVector"
    metadata: str = "meta_json_string"
    semantic: str = ""  # the name of its semantic configuration
    embedding: Embedding | None = None
    scope: str = ""  # what an access token has to be for, where no key opens the service

    def __repr__(self) -> str:  # the generated one would show the key
        return f"<index {self.name!r} of {self.endpoint}>"


class VectorStore(msgspec.Struct, frozen=True):
    """A collection of Qdrant, or a class of Weaviate."""

    kind: str  # QDRANT or WEAVIATE
    endpoint: str
    key: str
    name: str
    text: str = ""  # the field that holds the text

    def __repr__(self) -> str:  # the generated one would show the key
        return f"<{self.kind} {self.name!r} of {self.endpoint}>"


class FolderIndex(msgspec.Struct, frozen=True):
    """An index in a folder: FAISS's file, and the texts beside it."""

    folder: str
    embedding: Embedding | None = None


class Ranker(msgspec.Struct, frozen=True):
    """What puts results into an order: a formula, or a model behind an endpoint."""

    kind: str  # BM25, SCALED_SCORE_FUSION or SERVERLESS_RANKER
    constant: float = 60.0  # of the fusion: the larger, the less does the first place count
    endpoint: str = ""
    key: str = ""

    def __repr__(self) -> str:  # the generated one would show the key
        return f"<ranker {self.kind!r}>"
