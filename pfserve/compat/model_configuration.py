"""The classes with which flow code says what model it means (contract 8.2)."""

from __future__ import annotations

import dataclasses
from typing import Self

from pfserve.values.connections import AzureOpenAIConnection, OpenAIConnection
from pfserve.values.promptflow_errors import UserErrorException


class InvalidConnectionError(UserErrorException):
    """A configuration names a connection and also says what is in one."""


class ModelConfiguration:
    """The base."""


@dataclasses.dataclass
class AzureOpenAIModelConfiguration(ModelConfiguration):
    """A deployment in Azure OpenAI, by a connection's name or by address and key.

    Raises:
        InvalidConnectionError: by both.
    """

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


def _one_of(connection: str | None, *values: str | None) -> None:
    if connection and any(values):
        raise InvalidConnectionError("Cannot configure model config and connection at the same time.")


def _text(value: object) -> str | None:
    return None if value is None else str(value)
