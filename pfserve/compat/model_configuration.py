"""The classes with which flow code says what model it means (contract 8.2)."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from typing import ClassVar, Self

from pfserve.config import snapshot
from pfserve.values.connections import AzureOpenAIConnection, OpenAIConnection
from pfserve.values.core_errors import InvalidConnectionError
from pfserve.values.promptflow_errors import UserErrorException

_REFERENCE = re.compile(r"\$\{env:(.*)\}")


class ModelConfiguration:
    """The base."""

    _type: ClassVar[str] = ""


@dataclasses.dataclass
class AzureOpenAIModelConfiguration(ModelConfiguration):
    """A deployment in Azure OpenAI, by a connection's name or by address and key.

    Raises:
        InvalidConnectionError: by both.
    """

    _type: ClassVar[str] = "AzureOpenAI"

    azure_deployment: str
    azure_endpoint: str | None = None
    api_version: str | None = None
    api_key: str | None = dataclasses.field(default=None, repr=False)
    connection: str | None = None

    def __post_init__(self) -> None:
        _one_of(self.connection, self.azure_endpoint, self.api_version, self.api_key)

    @classmethod
    def from_connection(cls, connection: AzureOpenAIConnection, azure_deployment: str) -> Self:
        """The configuration with a connection's values."""
        return cls(
            azure_deployment=azure_deployment,
            azure_endpoint=_text(connection.api_base),
            api_version=_text(connection.api_version),
            api_key=_text(connection.api_key),
        )


@dataclasses.dataclass
class OpenAIModelConfiguration(ModelConfiguration):
    """A model of OpenAI, otherwise as :class:`AzureOpenAIModelConfiguration`."""

    _type: ClassVar[str] = "OpenAI"

    model: str
    base_url: str | None = None
    api_key: str | None = dataclasses.field(default=None, repr=False)
    organization: str | None = None
    connection: str | None = None

    def __post_init__(self) -> None:
        _one_of(self.connection, self.base_url, self.api_key, self.organization)

    @classmethod
    def from_connection(cls, connection: OpenAIConnection, model: str) -> Self:
        """The configuration with a connection's values."""
        return cls(
            model=model,
            base_url=_text(connection.base_url),
            api_key=_text(connection.api_key),
            organization=_text(connection.organization),
        )


@dataclasses.dataclass
class PromptyModelConfiguration:
    """What ``model`` of a prompty may say, for code; a missing or unknown name is Python's own ``TypeError``."""

    configuration: Mapping[str, object] | ModelConfiguration
    parameters: dict[str, object]
    api: str = "chat"
    response: str = "first"

    def __post_init__(self) -> None:
        self.parameters = self.parameters or {}


def as_fields(configuration: object) -> dict[str, object]:
    """A configuration as a prompty's front matter writes it, with the environment's variables in it.

    Raises:
        UserErrorException: it is no configuration.
    """
    if isinstance(configuration, Mapping):
        return dict(configuration)
    if not isinstance(configuration, AzureOpenAIModelConfiguration | OpenAIModelConfiguration):
        raise UserErrorException(f"the configuration of a model is no {type(configuration).__name__}")
    environ = snapshot()
    fields = {one.name: getattr(configuration, one.name) for one in dataclasses.fields(configuration)}
    return {"type": configuration._type, **{name: _filled(value, environ) for name, value in fields.items()}}


def _filled(value: object, environ: Mapping[str, str]) -> object:
    reference = _REFERENCE.fullmatch(value) if isinstance(value, str) else None
    return environ.get(reference[1], value) if reference else value


def _one_of(connection: str | None, *values: str | None) -> None:
    if connection and any(values):
        raise InvalidConnectionError("Cannot configure model config and connection at the same time.")


def _text(value: object) -> str | None:
    return None if value is None else str(value)
