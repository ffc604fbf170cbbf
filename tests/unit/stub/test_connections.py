from __future__ import annotations

import pytest

from pfserve.stub import stub_connection


@pytest.mark.parametrize(
    ("asked", "made", "place"),
    [
        ("", "AzureOpenAIConnection", {"api_base": "http://stub:1"}),
        ("AzureOpenAIConnection", "AzureOpenAIConnection", {"api_base": "http://stub:1"}),
        ("OpenAIConnection", "OpenAIConnection", {"base_url": "http://stub:1/v1"}),
        ("ServerlessConnection", "ServerlessConnection", {"api_base": "http://stub:1/v1"}),
    ],
)
def test_connections_of_models_lead_to_the_stub(asked: str, made: str, place: dict[str, str]):
    form = stub_connection(asked, "http://stub:1")
    assert form is not None
    assert (form["type"], form["value"]) == (made, {"api_key": "stub", **place})


@pytest.mark.parametrize("kind", ["SerpConnection", "CustomConnection", "CognitiveSearchConnection"])
def test_others_are_left_alone(kind: str):
    assert stub_connection(kind, "http://stub:1") is None
