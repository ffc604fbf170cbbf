"""Tokens of the process's Azure identity, from a stand-in for azure-identity."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from types import ModuleType, SimpleNamespace

import pytest

from pfserve.values import identity
from pfserve.values.connections import AzureOpenAIConnection


@pytest.fixture(autouse=True)
def forget() -> Iterator[None]:
    identity._identity.cache_clear()
    yield
    identity._identity.cache_clear()


def test_one_identity_gives_the_tokens_of_all(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[object] = []

    class DefaultAzureCredential:
        def __init__(self) -> None:
            made.append(self)

        def get_token(self, scope: str) -> SimpleNamespace:
            return SimpleNamespace(token=f"token for {scope}", expires_on=5)

    library = ModuleType("azure.identity")
    library.DefaultAzureCredential = DefaultAzureCredential
    monkeypatch.setitem(sys.modules, "azure", ModuleType("azure"))
    monkeypatch.setitem(sys.modules, "azure.identity", library)
    tokens = [AzureOpenAIConnection("http://a", auth_mode="meid_token").get_token() for _ in range(2)]
    assert tokens == ["token for https://cognitiveservices.azure.com/.default"] * 2
    assert len(made) == 1


def test_without_azure_identity(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "azure.identity", None)
    with pytest.raises(ImportError, match=r"pip install 'pfserve\[azure\]'"):
        AzureOpenAIConnection("http://a", auth_mode="meid_token").get_token()
