"""The connection classes as user code sees them (contract 6.1, 8.2)."""

from __future__ import annotations

import copy
import pickle
import traceback

import pytest

from pfserve.values import connections as c
from pfserve.values.connection_form import CONNECTION_CLASSES, BadConnection, connection_from, strong_type
from pfserve.values.promptflow_errors import UserErrorException

CANARY = "sk-canary-1234"

CONNECTIONS = [
    (
        c.AzureOpenAIConnection("http://a", CANARY, name="n"),
        "AzureOpenAI",
        {
            "api_base": "http://a",
            "api_type": "azure",
            "api_version": "2024-02-01",
            "auth_mode": "key",
            "resource_id": None,
        },
        {"api_key": CANARY},
    ),
    (c.OpenAIConnection(CANARY, base_url="_"), "OpenAI", {"organization": None, "base_url": None}, {"api_key": CANARY}),
    (c.OpenAIConnection(CANARY, "", ""), "OpenAI", {"organization": "", "base_url": None}, {"api_key": CANARY}),
    (c.ServerlessConnection(CANARY, "b"), "Serverless", {"api_base": "b"}, {"api_key": CANARY}),
    (c.SerpConnection(CANARY), "Serp", {}, {"api_key": CANARY}),
    (
        c.CognitiveSearchConnection("b", CANARY),
        "CognitiveSearch",
        {"api_base": "b", "api_version": "2023-11-01", "auth_mode": "key"},
        {"api_key": CANARY},
    ),
    (
        c.AzureAIServicesConnection("e", CANARY),
        "AzureAIServices",
        {"endpoint": "e", "auth_mode": "key"},
        {"api_key": CANARY},
    ),
    (
        c.AzureContentSafetyConnection(CANARY, "e"),
        "AzureContentSafety",
        {"endpoint": "e", "api_version": "2023-10-01", "api_type": "Content Safety"},
        {"api_key": CANARY},
    ),
    (
        c.FormRecognizerConnection(CANARY, "e"),
        "FormRecognizer",
        {"endpoint": "e", "api_version": "2023-07-31", "api_type": "Form Recognizer"},
        {"api_key": CANARY},
    ),
    (c.QdrantConnection(CANARY, "b"), "Qdrant", {"api_base": "b"}, {"api_key": CANARY}),
    (c.WeaviateConnection(CANARY, "b"), "Weaviate", {"api_base": "b"}, {"api_key": CANARY}),
    (c.CustomConnection({"k": CANARY}, {"a": "1"}), "Custom", {"a": "1"}, {"k": CANARY}),
]


@pytest.mark.parametrize(("made", "kind", "configs", "secrets"), CONNECTIONS)
def test_configs_secrets_and_type(made, kind, configs, secrets) -> None:
    assert (made.type, made.class_name, made.configs, made.secrets) == (kind, f"{kind}Connection", configs, secrets)
    assert dict(made) == {**configs, **secrets} == dict(**made)
    assert all(getattr(made, key) == value for key, value in dict(made).items())


@pytest.mark.parametrize("made", [row[0] for row in CONNECTIONS])
def test_no_text_of_a_connection_holds_a_value(made) -> None:
    try:
        made["nothing"]
    except KeyError:
        told = traceback.format_exc()
    for text in (str(made), repr(made), f"{made}", f"{made!r}", f"{[made]}", told):
        assert CANARY not in text
        assert "http://a" not in text


@pytest.mark.parametrize("made", [row[0] for row in CONNECTIONS])
@pytest.mark.parametrize("again", [copy.copy, copy.deepcopy, lambda made: pickle.loads(pickle.dumps(made))])
def test_a_copy_has_the_same_values(made, again) -> None:
    assert dict(again(made)) == dict(made)
    assert again(made).name == made.name


def test_a_name_that_is_missing() -> None:
    made = c.CustomConnection({"k": "s"}, name="n")
    with pytest.raises(KeyError, match="Key 'zz' not found in connection 'n'"):
        made["zz"]
    with pytest.raises(AttributeError, match="'CustomConnection' object has no attribute 'zz'"):
        made.zz
    assert not hasattr(made, "zz")
    assert "zz" not in made
    assert made.is_secret("k")
    assert not made.is_secret("zz")


def test_setting_an_attribute_sets_the_value() -> None:
    made = c.AzureOpenAIConnection("http://a", "old")
    made.api_base, made.api_key = "http://b", "new"
    assert (made.configs["api_base"], made.secrets["api_key"], made["api_key"]) == ("http://b", "new", "new")


def test_without_a_key() -> None:
    by_token = c.AzureOpenAIConnection("http://a", auth_mode="meid_token")
    assert (by_token.secrets, by_token.api_key, by_token.by_key) == ({}, None, False)
    assert c.AzureOpenAIConnection("http://a").secrets == {"api_key": None}


def test_a_key_that_was_never_there_reads_as_a_mask() -> None:
    made = c.AzureOpenAIConnection("http://a", auth_mode="meid_token")
    made.auth_mode = "key"
    assert (made.api_key, made.by_key) == ("******", True)
    made.api_key = "new"
    assert (made.api_key, made.secrets) == ("new", {"api_key": "new"})
    made.auth_mode = "meid_token"
    assert made.api_key is None


def test_a_secret_wins_over_a_config_of_the_same_name() -> None:
    made = c.CustomConnection({"a": "secret"}, {"a": "config"})
    assert (made["a"], made.a) == ("secret", "secret")


def test_keywords_that_nobody_knows_are_accepted() -> None:
    assert not hasattr(c.OpenAIConnection("k", module="m", whatever=1), "whatever")


@pytest.mark.parametrize(
    ("kind", "environ", "values"),
    [
        (
            c.OpenAIConnection,
            {"OPENAI_API_KEY": "k", "OPENAI_BASE_URL": "u", "OPENAI_ORG_ID": "o"},
            {"organization": "o", "base_url": "u", "api_key": "k"},
        ),
        (c.OpenAIConnection, {"OPENAI_API_KEY": "k"}, {"organization": None, "base_url": None, "api_key": "k"}),
        (
            c.AzureOpenAIConnection,
            {"AZURE_OPENAI_ENDPOINT": "e", "AZURE_OPENAI_API_KEY": "k", "OPENAI_API_VERSION": "v"},
            {
                "api_base": "e",
                "api_type": "azure",
                "api_version": "v",
                "auth_mode": "key",
                "resource_id": None,
                "api_key": "k",
            },
        ),
    ],
)
def test_from_the_environment(kind, environ, values, monkeypatch: pytest.MonkeyPatch) -> None:
    _only(monkeypatch, environ)
    made = kind.from_env(name="n")
    assert (dict(made), made.name) == (values, "n")


@pytest.mark.parametrize(
    ("kind", "missing"),
    [
        (c.OpenAIConnection, "['OPENAI_API_KEY'] to build OpenAIConnection"),
        (c.AzureOpenAIConnection, "['AZURE_OPENAI_ENDPOINT', 'AZURE_OPENAI_API_KEY'] to build AzureOpenAIConnection"),
    ],
)
def test_an_environment_that_lacks_something(kind, missing, monkeypatch: pytest.MonkeyPatch) -> None:
    _only(monkeypatch, {})
    with pytest.raises(UserErrorException) as told:
        kind.from_env()
    assert str(told.value) == f"Required environment variables {missing} not set."


def _only(monkeypatch: pytest.MonkeyPatch, environ: dict[str, str]) -> None:
    names = ("OPENAI_API_KEY", "OPENAI_BASE_URL", "OPENAI_ORG_ID", "OPENAI_API_VERSION")
    for name in (*names, "AZURE_OPENAI_ENDPOINT", "AZURE_OPENAI_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environ.items():
        monkeypatch.setenv(name, value)


# -- Strong types of the user's ---------------------------------------------------------------------


class Secret(str):
    pass


class Mine(c.CustomStrongTypeConnection):
    api_key: Secret
    api_base: "str" = "a default that does not count"  # noqa: UP037

    def address(self) -> str:
        return self.api_base


def test_a_custom_connection_as_a_class_of_the_users() -> None:
    made = strong_type(c.CustomConnection({"api_key": CANARY, "more": "m"}, {"api_base": "b"}, name="n"), Mine)
    assert (made.api_key, made.api_base, made.address(), made.name) == (CANARY, "b", "b", "n")
    assert (made.secrets, made.configs) == ({"api_key": CANARY}, {"api_base": "b"})
    assert CANARY not in repr(made)
    assert dict(pickle.loads(pickle.dumps(made))) == dict(made)


@pytest.mark.parametrize(("secrets", "configs"), [({"api_key": "k"}, {}), ({}, {"api_base": "b"})])
def test_a_class_of_the_users_needs_all_its_values(secrets, configs) -> None:
    with pytest.raises(KeyError):
        Mine(secrets, configs)


# -- The execution form -----------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [kind for kind in CONNECTION_CLASSES if kind != "CustomConnection"])
def test_every_class_is_made_from_its_own_values(kind: str) -> None:
    address = {"api_base": "b", "endpoint": "e", "base_url": "u"}
    made = connection_from({"type": kind, "value": {"api_key": "k", "unknown": "x", **address}}, "n")
    assert type(made) is CONNECTION_CLASSES[kind]
    assert (made.name, made.api_key) == ("n", "k")
    assert connection_from({"type": kind, "value": dict(made)}, "n").configs == made.configs


def test_the_secrets_of_a_custom_form_are_those_it_names() -> None:
    made = connection_from({"type": "CustomConnection", "value": {"a": "1", "b": "2"}, "secret_keys": ["b", "c"]}, "n")
    assert (made.configs, made.secrets) == ({"a": "1"}, {"b": "2"})


@pytest.mark.parametrize(
    ("form", "told"),
    [
        ({"type": "Nope", "value": {}}, "Unknown connection 'n' type 'Nope', supported are [AzureOpenAIConnection, "),
        ({"type": "OpenAIConnection", "value": [CANARY]}, "connection 'n' has no map of values"),
        ({"type": "OpenAIConnection", "value": {"api_key": None}}, "of type OpenAIConnection lacks api_key"),
        ({"type": "ServerlessConnection", "value": {"a": CANARY}}, "lacks api_key and api_base"),
        ({"type": "AzureOpenAIConnection", "value": {"api_key": CANARY}}, "lacks api_base"),
    ],
)
def test_a_form_that_makes_no_connection(form, told) -> None:
    with pytest.raises(BadConnection) as problem:
        connection_from(form, "n")
    assert told in str(problem.value)
    assert CANARY not in str(problem.value) + repr(problem.value)
