"""Where connections lead."""

from __future__ import annotations

import pytest

from pfserve.errors import UserError
from pfserve.llm.endpoint import endpoint_of
from pfserve.values.connections import AzureOpenAIConnection, CustomConnection, OpenAIConnection, ServerlessConnection


def url(connection, path="chat/completions", model="m"):
    return str(endpoint_of(connection).url(path, model))


AZURE = AzureOpenAIConnection("https://a.example/", "key", api_version="2024-02-01")


@pytest.mark.parametrize(
    ("connection", "model", "address"),
    [
        (AZURE, "d", "https://a.example/openai/deployments/d/chat/completions?api-version=2024-02-01"),
        (AZURE, "a b/c", "https://a.example/openai/deployments/a%20b%2Fc/chat/completions?api-version=2024-02-01"),
        (AZURE, None, "https://a.example/openai/chat/completions?api-version=2024-02-01"),
        (OpenAIConnection("key"), "m", "https://api.openai.com/v1/chat/completions"),
        (OpenAIConnection("key", base_url="http://h:1/v1/"), "m", "http://h:1/v1/chat/completions"),
        (ServerlessConnection("key", "http://h"), "m", "http://h/v1/chat/completions"),
        (ServerlessConnection("key", "http://h/v1/"), "m", "http://h/v1/chat/completions"),
    ],
)
def test_addresses(connection, model, address, monkeypatch):
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    assert url(connection, model=model) == address


def test_the_openai_librarys_variables_are_fallbacks(monkeypatch):
    monkeypatch.setenv("OPENAI_BASE_URL", "http://elsewhere/v1")
    monkeypatch.setenv("OPENAI_ORG_ID", "org-2")
    assert url(OpenAIConnection("key")) == "http://elsewhere/v1/chat/completions"
    assert endpoint_of(OpenAIConnection("key")).headers["OpenAI-Organization"] == "org-2"
    assert endpoint_of(OpenAIConnection("key", organization="o")).headers["OpenAI-Organization"] == "o"


def test_keys_are_sent_where_each_provider_wants_them_and_nothing_of_promptflow_is():
    azure, openai = endpoint_of(AZURE), endpoint_of(OpenAIConnection("key"))
    assert azure.headers["api-key"] == "key"
    assert "Authorization" not in azure.headers
    assert openai.headers["Authorization"] == "Bearer key"
    assert azure.secrets == openai.secrets == ("key",)
    assert not any(name.lower().startswith(("x-ms-", "ms-azure")) for name in (*azure.headers, *openai.headers))


@pytest.mark.parametrize(
    ("address", "scope"),
    [
        ("https://a.example", ".com"),
        ("https://a.openai.azure.com/", ".com"),
        ("https://a.openai.azure.us", ".us"),
        ("https://a.openai.azure.cn:443", ".cn"),
        ("https://notazure.us", ".com"),
        ("https://[no", ".com"),
    ],
)
def test_without_a_key_azure_is_asked_with_a_token(address, scope):
    connection = AzureOpenAIConnection(address, auth_mode="meid_token")
    endpoint = endpoint_of(connection)
    assert "api-key" not in endpoint.headers
    assert endpoint.scope == f"https://cognitiveservices.azure{scope}/.default"


def test_other_connections_reach_no_llm():
    with pytest.raises(UserError, match="Connection type Custom is not supported for LLM"):
        endpoint_of(CustomConnection({"k": "v"}, {}))
