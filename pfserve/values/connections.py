"""The connection classes that user code sees (contract 6.1, 8.2): where a service is, and the secrets that open it.

A connection is data. What finds, overrides and checks connections is room ``connections``; what talks to the service
is room ``llm``. No text that a connection gives of itself holds a value, because every value may be a secret.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from typing import ClassVar

from pfserve.config.snapshot import snapshot
from pfserve.values import identity
from pfserve.values.core_errors import RequiredEnvironmentVariablesNotSetError

_MASK = "******"
_UNSET_URLS = ("", "_")  # how promptflow's stores write "no address of its own"

Fields = Mapping[str, object]


class Connection:
    """The root: two maps of values by name, readable as attributes and as items.

    ``dict(connection)`` and ``**connection`` give configs and secrets together.
    """

    TYPE: ClassVar[str] = ""

    def __init__(self, configs: Fields, secrets: Fields, name: str | None = None, module: str = "") -> None:
        self.name = name
        self.configs: dict[str, object] = dict(configs)
        self.secrets: dict[str, object] = dict(secrets)
        self.module = module or "promptflow.connections"

    @property
    def type(self) -> str:
        """The kind of the connection: the name of its class without ``Connection``."""
        return self.TYPE

    @property
    def class_name(self) -> str:
        """The ``type`` of the execution form."""
        return f"{self.TYPE}Connection"

    def keys(self) -> list[str]:
        """The names of all values, secrets last."""
        return [*self.configs, *self.secrets]

    def __getitem__(self, key: str) -> object:
        for values in (self.secrets, self.configs):  # as in promptflow, a secret wins
            if key in values:
                return values[key]
        raise KeyError(f"Key {key!r} not found in connection {self.name!r}.")

    def __iter__(self) -> Iterator[str]:
        return iter(self.keys())

    def __contains__(self, key: object) -> bool:
        return key in self.configs or key in self.secrets

    def __getattr__(self, name: str) -> object:  # only for what is no attribute
        held = self.__dict__
        for values in (held.get("secrets", {}), held.get("configs", {})):  # an empty shell while it is copied
            if name in values:
                return values[name]
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    def __repr__(self) -> str:
        names = [*self.configs, *(f"{key} (secret)" for key in self.secrets)]
        return f"<{type(self).__name__} {self.name!r}: {', '.join(names)}>"


class StrongTypeConnection(Connection):
    """A connection whose values have fixed names. Setting one as an attribute sets the value."""

    def __getattr__(self, name: str) -> object:
        if name == "api_key" and "secrets" in self.__dict__:  # never set: promptflow shows its mask
            return self.secrets.get(name, _MASK)
        return super().__getattr__(name)

    def __setattr__(self, name: str, value: object) -> None:
        for values in (self.__dict__.get("configs", {}), self.__dict__.get("secrets", {})):
            if name in values:
                values[name] = value
                return
        if name == "api_key":
            self.secrets[name] = value
            return
        super().__setattr__(name, value)


class AadConnection(StrongTypeConnection):
    """A connection that a key opens, or a token of Microsoft Entra ID (``auth_mode: meid_token``)."""

    def __init__(self, configs: Fields, api_key: object, name: str | None) -> None:
        by_key = str(configs["auth_mode"]).lower() == "key"
        super().__init__(configs, {"api_key": api_key} if by_key else {}, name)

    @property
    def by_key(self) -> bool:
        """Whether the key opens the connection; else a token does."""
        return str(self.configs["auth_mode"]).lower() == "key"

    def get_token(self) -> str:
        """A fresh token for the service, of this process's Azure identity.

        Raises:
            ImportError: azure-identity is not installed.
        """
        return identity.token(identity.ai_scope(self.configs.get("api_base") or self.configs.get("endpoint")))

    def __getattr__(self, name: str) -> object:
        if name == "api_key" and "secrets" in self.__dict__ and not self.by_key:
            return None
        return super().__getattr__(name)


class AzureOpenAIConnection(AadConnection):
    """A deployment of models in Azure OpenAI."""

    TYPE = "AzureOpenAI"

    def __init__(  # noqa: PLR0917 - promptflow's signature
        self,
        api_base: str,
        api_key: str | None = None,
        api_type: str = "azure",
        api_version: str = "2024-02-01",
        auth_mode: str = "key",
        resource_id: str | None = None,
        *,
        name: str | None = None,
        **ignored: object,
    ) -> None:
        configs = {
            "api_base": api_base,
            "api_type": api_type,
            "api_version": api_version,
            "auth_mode": auth_mode,
            "resource_id": resource_id,
        }
        super().__init__(configs, api_key, name)

    @classmethod
    def from_env(cls, name: str | None = None) -> AzureOpenAIConnection:
        """The connection that ``AZURE_OPENAI_ENDPOINT``, ``AZURE_OPENAI_API_KEY`` and ``OPENAI_API_VERSION`` describe.

        Raises:
            RequiredEnvironmentVariablesNotSetError: the endpoint or the key is not set.
        """
        given = _required(cls, "AZURE_OPENAI_ENDPOINT", "AZURE_OPENAI_API_KEY")
        version = {"api_version": given["OPENAI_API_VERSION"]} if given.get("OPENAI_API_VERSION") else {}
        return cls(given["AZURE_OPENAI_ENDPOINT"], given["AZURE_OPENAI_API_KEY"], name=name, **version)


class OpenAIConnection(StrongTypeConnection):
    """OpenAI, or a service that speaks as it does at ``base_url``."""

    TYPE = "OpenAI"

    def __init__(
        self,
        api_key: str,
        organization: str | None = None,
        base_url: str | None = None,
        *,
        name: str | None = None,
        **ignored: object,
    ) -> None:
        address = None if base_url in _UNSET_URLS else base_url
        super().__init__({"organization": organization, "base_url": address}, {"api_key": api_key}, name)

    @classmethod
    def from_env(cls, name: str | None = None) -> OpenAIConnection:
        """The connection that ``OPENAI_API_KEY``, ``OPENAI_BASE_URL`` and ``OPENAI_ORG_ID`` describe.

        Raises:
            RequiredEnvironmentVariablesNotSetError: the key is not set.
        """
        given = _required(cls, "OPENAI_API_KEY")
        return cls(given["OPENAI_API_KEY"], given.get("OPENAI_ORG_ID"), given.get("OPENAI_BASE_URL"), name=name)


class ServerlessConnection(StrongTypeConnection):
    """A model behind a serverless endpoint that speaks as OpenAI does."""

    TYPE = "Serverless"

    def __init__(self, api_key: str, api_base: str, *, name: str | None = None, **ignored: object) -> None:
        super().__init__({"api_base": api_base}, {"api_key": api_key}, name)


class SerpConnection(StrongTypeConnection):
    """The web search of SerpApi."""

    TYPE = "Serp"

    def __init__(self, api_key: str, *, name: str | None = None, **ignored: object) -> None:
        super().__init__({}, {"api_key": api_key}, name)


class CognitiveSearchConnection(AadConnection):
    """Azure AI Search."""

    TYPE = "CognitiveSearch"

    def __init__(
        self,
        api_base: str,
        api_key: str | None = None,
        api_version: str = "2023-11-01",
        auth_mode: str = "key",
        *,
        name: str | None = None,
        **ignored: object,
    ) -> None:
        configs = {"api_base": api_base, "api_version": api_version, "auth_mode": auth_mode}
        super().__init__(configs, api_key, name)


class AzureAIServicesConnection(AadConnection):
    """A resource of Azure AI Services."""

    TYPE = "AzureAIServices"

    def __init__(
        self,
        endpoint: str,
        api_key: str | None = None,
        auth_mode: str = "key",
        *,
        name: str | None = None,
        **ignored: object,
    ) -> None:
        super().__init__({"endpoint": endpoint, "auth_mode": auth_mode}, api_key, name)


class AzureContentSafetyConnection(StrongTypeConnection):
    """Azure AI Content Safety."""

    TYPE = "AzureContentSafety"

    def __init__(
        self,
        api_key: str,
        endpoint: str,
        api_version: str = "2023-10-01",
        api_type: str = "Content Safety",
        *,
        name: str | None = None,
        **ignored: object,
    ) -> None:
        configs = {"endpoint": endpoint, "api_version": api_version, "api_type": api_type}
        super().__init__(configs, {"api_key": api_key}, name)


class FormRecognizerConnection(StrongTypeConnection):
    """Azure AI Document Intelligence, under its former name."""

    TYPE = "FormRecognizer"

    def __init__(
        self,
        api_key: str,
        endpoint: str,
        api_version: str = "2023-07-31",
        api_type: str = "Form Recognizer",
        *,
        name: str | None = None,
        **ignored: object,
    ) -> None:
        configs = {"endpoint": endpoint, "api_version": api_version, "api_type": api_type}
        super().__init__(configs, {"api_key": api_key}, name)


class _VectorStoreConnection(StrongTypeConnection):
    def __init__(self, api_key: str, api_base: str, *, name: str | None = None, **ignored: object) -> None:
        super().__init__({"api_base": api_base}, {"api_key": api_key}, name, "promptflow_vectordb.connections")


class QdrantConnection(_VectorStoreConnection):
    """A Qdrant vector store."""

    TYPE = "Qdrant"


class WeaviateConnection(_VectorStoreConnection):
    """A Weaviate vector store."""

    TYPE = "Weaviate"


class CustomConnection(Connection):
    """Any values under names of the author's choice."""

    TYPE = "Custom"

    def __init__(
        self,
        secrets: Mapping[str, object] | None,
        configs: Mapping[str, object] | None = None,
        *,
        name: str | None = None,
        **ignored: object,
    ) -> None:
        super().__init__(configs or {}, secrets or {}, name)

    def is_secret(self, key: str) -> bool:
        """Whether the value of that name is a secret."""
        return key in self.secrets


class CustomStrongTypeConnection(Connection):
    """The base of connection classes that users write: an annotation a value, ``Secret`` for secrets.

    ``secrets`` and ``configs`` hold exactly the annotated names.

    Raises:
        KeyError: a value that is annotated is not given.
    """

    TYPE = "NotSet"  # a class of the user's is no type of promptflow's

    def __init__(
        self,
        secrets: Mapping[str, object],
        configs: Mapping[str, object] | None = None,
        *,
        name: str | None = None,
        **ignored: object,
    ) -> None:
        secret_names, config_names = _annotated(type(self))
        chosen = {key: (configs or {})[key] for key in config_names}
        super().__init__(chosen, {key: secrets[key] for key in secret_names}, name, type(self).__module__)
        vars(self).update(self.configs | self.secrets)  # before the defaults that the class has for them


def _annotated(kind: type) -> tuple[list[str], list[str]]:
    """The names of secrets and of configs that the class and its bases annotate, those of the bases first."""
    annotations: dict[str, object] = {}
    for one in reversed(kind.__mro__):
        if issubclass(one, CustomStrongTypeConnection) and one is not CustomStrongTypeConnection:
            annotations.update(inspect.get_annotations(one))
    secret = [name for name, annotation in annotations.items() if _is_secret(annotation)]
    return secret, [name for name in annotations if name not in secret]


def _is_secret(annotation: object) -> bool:
    """Whether an annotation, perhaps still a text, is the class ``Secret``: ours or promptflow's."""
    text = annotation if isinstance(annotation, str) else getattr(annotation, "__name__", "")
    return text.rpartition(".")[2] == "Secret"


def _required(kind: type[Connection], *names: str) -> dict[str, str]:
    environ = snapshot()
    if not all(environ.get(name) for name in names):
        told = f"Required environment variables {list(names)} to build {kind.__name__} not set."
        raise RequiredEnvironmentVariablesNotSetError(told)
    return environ
