"""The connection names that flow code imports from promptflow."""

from __future__ import annotations

import pytest

from pfserve.compat import MODULES
from pfserve.values import connections as c
from pfserve.values.connection_form import strong_type
from pfserve.values.types import type_of_annotation

EVERYWHERE = (
    "AzureContentSafetyConnection",
    "AzureOpenAIConnection",
    "CognitiveSearchConnection",
    "CustomConnection",
    "FormRecognizerConnection",
    "OpenAIConnection",
    "SerpConnection",
)
Secret = MODULES["promptflow.connections"]["Secret"]
CustomStrongTypeConnection = MODULES["promptflow.connections"]["CustomStrongTypeConnection"]


@pytest.mark.parametrize("module", ["promptflow.connections", "promptflow.entities", "promptflow._sdk.entities"])
def test_the_same_classes_under_every_name(module: str) -> None:
    names = MODULES[module]
    assert [names[name] for name in EVERYWHERE] == [getattr(c, name) for name in EVERYWHERE]
    assert all(type_of_annotation(names[name]) == "connection" for name in EVERYWHERE)


def test_a_strong_type_by_promptflow_s_names() -> None:
    class Mine(CustomStrongTypeConnection):
        key: Secret
        place: str

    made = strong_type(c.CustomConnection({"key": "k"}, {"place": "p"}), Mine)
    assert (made.secrets, made.configs, made.key) == ({"key": "k"}, {"place": "p"}, "k")


def test_bing_does_not_show_its_key() -> None:
    made = MODULES["promptflow.connections"]["BingConnection"]("canary")
    assert (made.api_key, made.url) == ("canary", "https://api.bing.microsoft.com/v7.0/search")
    assert "canary" not in repr(made)


def test_registering_a_class_does_nothing() -> None:
    assert MODULES["promptflow.connections"]["register_connections"](c.CustomConnection) is None
