"""Connections in the shape of Azure's resource manager, brought to the execution form (contract 6.6)."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from pfserve.connections.form import Form
from pfserve.values.connection_form import CONNECTION_CLASSES

_INTERNAL = "azureml.flow."  # metadata that are promptflow's own


class BadPayload(Exception):
    """The payload makes no connection; the text says why, without any value of it."""


class _Category(msgspec.Struct, frozen=True):
    """How one category of Azure's is mapped."""

    kind: str
    target: str  # the field that holds the address
    by_token: bool = True  # a token may open it, beside a key
    metadata: tuple[str, ...] = ()  # fields that metadata of the same name, without underscores, give


_VERSIONED = ("api_version",)
_CATEGORIES = {
    "azureopenai": _Category("AzureOpenAI", "api_base", metadata=("api_type", "api_version", "resource_id")),
    "cognitivesearch": _Category("CognitiveSearch", "api_base", metadata=_VERSIONED),
    "serverless": _Category("Serverless", "api_base"),
    "aiservices": _Category("AzureAIServices", "endpoint"),
    "cognitiveservice": _Category("", "endpoint", metadata=_VERSIONED),  # its metadata say which one
    "openai": _Category("OpenAI", "base_url", by_token=False, metadata=("organization",)),
    "serp": _Category("Serp", "", by_token=False),
}
_COGNITIVE_SERVICES = {"content safety": "AzureContentSafety", "form recognizer": "FormRecognizer"}


def from_arm(name: str, payload: object, origin: str) -> Form:
    """The form of the connection ``name`` that a payload ``{"properties": {…}}`` describes.

    Raises:
        BadPayload: it describes none that we know.
    """
    properties = _mapping(payload, "the payload").get("properties")
    facts = _Facts.of(_mapping(properties, "'properties'"))
    if facts.category == "customkeys":
        return _custom(name, facts, origin)
    category = _CATEGORIES.get(facts.category)
    if category is None:
        raise BadPayload(f"Unknown connection {name} category {facts.category_as_written}.")
    value = _auth(facts, category.by_token)
    if category.target:
        value[category.target] = facts.target
    value |= {field: facts.metadata.get(field.replace("_", "")) for field in category.metadata}
    return _form(_type(name, facts, category), value, frozenset({"api_key"}), origin)


class _Facts(msgspec.Struct, frozen=True):
    """The parts of ``properties`` that count; names of metadata in lower case."""

    category: str
    category_as_written: str
    auth: str
    target: object
    credentials: Mapping[str, object]
    metadata: Mapping[str, object]
    metadata_as_written: Mapping[str, object]

    @classmethod
    def of(cls, properties: Mapping[str, object]) -> _Facts:
        written = _mapping(properties.get("metadata") or {}, "'metadata'")
        return cls(
            category=str(properties.get("category")).lower(),
            category_as_written=str(properties.get("category")),
            auth=str(properties.get("authType")),
            target=properties.get("target"),
            credentials=_mapping(properties.get("credentials") or {}, "'credentials'"),
            metadata={key.lower(): value for key, value in written.items()},
            metadata_as_written=written,
        )

    def __repr__(self) -> str:
        return f"<_Facts {self.category}>"


def _custom(name: str, facts: _Facts, origin: str) -> Form:
    keys = _mapping(facts.credentials.get("keys") or {}, "'credentials.keys'")
    told = {k: value for k, value in facts.metadata_as_written.items() if not k.lower().startswith(_INTERNAL)}
    kind = _type(name, facts, _Category("Custom", ""))
    secret = frozenset(keys) if kind == "CustomConnection" else frozenset({"api_key"})
    return _form(kind, {**keys, **told}, secret, origin)  # as in promptflow, metadata win


def _type(name: str, facts: _Facts, category: _Category) -> str:
    given = facts.metadata.get(f"{_INTERNAL}connection_type") or category.kind
    if not given:
        given = _COGNITIVE_SERVICES.get(str(facts.metadata.get("kind")).lower())
    if not given:
        raise BadPayload(f"Connection {name} is not recognized in PromptFlow: its metadata have no kind that we know.")
    kind = f"{str(given).removesuffix('Connection')}Connection"
    if kind not in CONNECTION_CLASSES:
        raise BadPayload(f"Connection type {kind!r} is not supported. Supported types are: {list(CONNECTION_CLASSES)}.")
    return kind


def _auth(facts: _Facts, by_token: bool) -> dict[str, object]:
    auth = facts.auth.lower()
    if auth == "apikey":
        key = {"api_key": facts.credentials.get("key")}
        return key | {"auth_mode": "key"} if by_token else key
    if auth == "aad" and by_token:
        return {"auth_mode": "meid_token"}
    supported = "'ApiKey' and 'AAD'" if by_token else "'ApiKey'"
    raise BadPayload(f"Unsupported connection auth type {facts.auth!r}, supported types are {supported}.")


def _form(kind: str, value: Mapping[str, object], secret: frozenset[str], origin: str) -> Form:
    return Form(kind, {key: held for key, held in value.items() if held not in (None, "")}, secret, origin)


def _mapping(value: object, what: str) -> Mapping[str, object]:
    if isinstance(value, dict):
        return value
    raise BadPayload(f"{what} is no JSON object.")
