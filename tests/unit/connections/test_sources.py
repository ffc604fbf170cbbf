"""Where connections come from: files as people have them, the encoded variable, Azure's shape."""

from __future__ import annotations

import base64
import gzip
import json
from pathlib import Path

import pytest

from pfserve.connections.arm import BadPayload, from_arm
from pfserve.connections.encoded import read_encoded
from pfserve.connections.files import read_connections
from pfserve.connections.form import Form
from pfserve.errors import ConfigError

CANARY = "sk-canary-1234"


def forms_of(tmp_path: Path, text: str, name: str = "c.yaml") -> dict[str, Form]:
    file = tmp_path / name
    file.write_text(text)
    return dict(read_connections(str(file), "flag --connections"))


# -- Files ------------------------------------------------------------------------------------------

FILES = {
    "a file as pf takes it; a date is a text": (
        """
        $schema: https://example.com/AzureOpenAIConnection.schema.json
        name: one
        type: azure_open_ai
        api_key: k
        api_base: http://x
        api_type: azure
        api_version: 2024-02-01
        """,
        "AzureOpenAIConnection",
        {"api_key": "k", "api_base": "http://x", "api_type": "azure", "api_version": "2024-02-01"},
        {"api_key"},
    ),
    "as the Docker export writes it": (
        """
        name: one
        type: open_ai
        module: promptflow.connections
        api_key: ${env:ONE_API_KEY}
        organization: ''
        base_url:
        """,
        "OpenAIConnection",
        {"api_key": "${env:ONE_API_KEY}", "organization": ""},
        {"api_key"},
    ),
    "a custom one: every scalar is the text that is written": (
        """
        name: one
        type: custom
        configs: {a: 1, b: yes, c: 1e3, d: 007, e: "q"}
        secrets: {s: 0x10}
        """,
        "CustomConnection",
        {"a": "1", "b": "yes", "c": "1e3", "d": "007", "e": "q", "s": "0x10"},
        {"s"},
    ),
    "a strong type of the user's": (
        """
        name: one
        type: custom
        custom_type: Mine
        module: my.tools
        package: tools
        package_version: 0.0.2
        configs: {a: x}
        secrets: {s: k}
        """,
        "CustomConnection",
        {
            "a": "x",
            "promptflow.connection.custom_type": "Mine",
            "promptflow.connection.module": "my.tools",
            "promptflow.connection.package": "tools",
            "promptflow.connection.package_version": "0.0.2",
            "s": "k",
        },
        {"s"},
    ),
    "the name of the class": (
        "{name: one, type: ServerlessConnection, api_base: b, api_key: k}",
        "ServerlessConnection",
        {"api_base": "b", "api_key": "k"},
        {"api_key"},
    ),
    "the execution form": (
        "{name: one, type: CustomConnection, module: m, value: {a: x, s: k}, secret_keys: [s]}",
        "CustomConnection",
        {"a": "x", "s": "k"},
        {"s"},
    ),
}


@pytest.mark.parametrize("case", FILES)
def test_a_file(case: str, tmp_path: Path) -> None:
    text, kind, value, secret = FILES[case]
    form = forms_of(tmp_path, text)["one"]
    assert (form.problem, form.type_name, form.value, form.secret_keys) == ("", kind, value, secret)
    assert form.origin == f"file {tmp_path}/c.yaml"


@pytest.mark.parametrize(
    ("spelled", "kind"),
    [
        ("azure_open_ai", "AzureOpenAI"),
        ("open_ai", "OpenAI"),
        ("serverless", "Serverless"),
        ("serp", "Serp"),
        ("cognitive_search", "CognitiveSearch"),
        ("azure_ai_services", "AzureAIServices"),
        ("azure_content_safety", "AzureContentSafety"),
        ("form_recognizer", "FormRecognizer"),
        ("qdrant", "Qdrant"),
        ("weaviate", "Weaviate"),
        ("AzureOpenAI", "AzureOpenAI"),
    ],
)
def test_the_names_of_types(spelled: str, kind: str, tmp_path: Path) -> None:
    assert forms_of(tmp_path, f"{{name: n, type: {spelled}, api_key: k}}")["n"].type_name == f"{kind}Connection"


def test_a_list_in_yaml_and_in_json(tmp_path: Path) -> None:
    entries = [
        {"name": "a", "type": "open_ai", "api_key": "1"},
        {"name": "b", "type": "custom", "configs": {"n": 2.50}},
    ]
    for name in ("c.json", "c.yaml"):
        found = forms_of(tmp_path, json.dumps(entries), name)
        assert (found["a"].value, found["b"].value) == ({"api_key": "1"}, {"n": "2.5"})


def test_a_folder_in_the_order_of_names(tmp_path: Path) -> None:
    (tmp_path / "b.yml").write_text("{name: x, type: serp, api_key: of-b}")
    (tmp_path / "a.yaml").write_text("{name: x, type: serp, api_key: of-a}")
    (tmp_path / "c.json").write_text('{"name": "y", "type": "serp", "api_key": "of-c"}')
    (tmp_path / "readme.txt").write_text(": no yaml [")
    found = dict(read_connections(str(tmp_path), "flag --connections"))
    assert {name: form.value["api_key"] for name, form in found.items()} == {"x": "of-b", "y": "of-c"}


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (f"{{name: n, api_key: {CANARY}}}", "has no 'type', such as open_ai or custom"),
        (
            "{name: n, type: nope}",
            "has the type 'nope'; known are azure_ai_services, azure_content_safety, azure_open_ai",
        ),
        ("{name: n, type: custom}", "has nothing under 'configs' and 'secrets'"),
        (f"{{name: n, type: custom, configs: [{CANARY}]}}", "needs mappings under 'configs' and 'secrets'"),
        (f"{{name: n, type: custom, configs: {{a: [{CANARY}]}}}}", "needs a text for a"),
        (f"{{name: n, type: open_ai, api_key: {{a: {CANARY}}}}}", "needs a text for api_key"),
        (
            f"{{name: n, type: CustomConnection, value: {{}}, secret_keys: {CANARY}}}",
            "has 'secret_keys' that are no list",
        ),
    ],
)
def test_an_entry_that_cannot_be_used_is_told_to_who_needs_it(text: str, problem: str, tmp_path: Path) -> None:
    form = forms_of(tmp_path, text)["n"]
    assert form.problem.startswith(problem)
    assert CANARY not in form.problem


@pytest.mark.parametrize("secret", ["''", "'***'", "<no-change>", "<user-input>", "", "'******'"])
def test_a_placeholder_has_to_be_given(secret: str, tmp_path: Path) -> None:
    assert forms_of(tmp_path, f"name: n\ntype: custom\nsecrets:\n  s: {secret}\n")["n"].to_be_given == {"s"}


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("c.yaml", f"name: n\ntype: open_ai\napi_key: *{CANARY}", "line 3 is not YAML"),
        ("c.yaml", f"name: n\napi_key: '{CANARY}", "is not YAML"),
        ("c.yaml", f"name: n\napi_key: !{CANARY} x", "line 2 is not YAML"),
        ("c.yaml", f"? [{CANARY}]\n: 1", "is not YAML"),
        ("c.json", f'{{"name": "n",\n "api_key": "{CANARY}}}', "line 2 is not JSON"),
        ("c.yaml", f"- {CANARY}", "entry 1 is no mapping"),
        ("c.yaml", CANARY, "entry 1 is no mapping"),
        ("c.yaml", "", "entry 1 is no mapping"),
        ("c.yaml", f"- {{name: a, type: serp}}\n- {{type: serp, api_key: {CANARY}}}", "entry 2 has no 'name'"),
        ("c.yaml", "\x00", "line 1 is not YAML"),
    ],
)
def test_a_file_that_cannot_be_read(name: str, text: str, told: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as problem:
        forms_of(tmp_path, text, name)
    assert told in str(problem.value)
    assert f"{name}' (from flag --connections)" in str(problem.value)
    assert CANARY not in str(problem.value) + repr(problem.value.__context__)


def test_a_file_that_is_no_text(tmp_path: Path) -> None:
    (tmp_path / "c.yaml").write_bytes(b"\xff\xfe\xff")
    with pytest.raises(ConfigError, match="cannot be read: not a UTF-8 text file"):
        dict(read_connections(str(tmp_path / "c.yaml"), "flag --connections"))


# -- The encoded variable ---------------------------------------------------------------------------


def encoded(value: object) -> str:
    return base64.b64encode(gzip.compress(json.dumps(value).encode())).decode()


def test_encoded_connections() -> None:
    given = {"type": "OpenAIConnection", "module": "m", "value": {"api_key": "k"}, "secret_keys": ["api_key"]}
    form = read_encoded("V", encoded({"n": given, "broken": {"value": {}}}))["n"]
    assert (form.type_name, form.value, form.origin) == ("OpenAIConnection", {"api_key": "k"}, "variable V")
    assert read_encoded("V", encoded({"broken": {"value": {}}}))["broken"].problem == "has no 'type'"


@pytest.mark.parametrize(
    "text",
    [CANARY, "%%%", encoded([CANARY]), encoded(CANARY), base64.b64encode(CANARY.encode()).decode(), encoded("")[:12]],
)
def test_encoded_connections_that_are_none(text: str) -> None:
    with pytest.raises(ConfigError) as problem:
        read_encoded("V", text)
    assert str(problem.value).startswith("connections = '…' (from environment V): expected base64 of gzip of a JSON")
    assert CANARY not in str(problem.value) + repr(problem.value.__context__)


# -- Azure's shape ----------------------------------------------------------------------------------


def arm(category: str, auth: str = "ApiKey", metadata: object = None, **more: object) -> dict[str, object]:
    properties = {"category": category, "authType": auth, "target": "http://t", "credentials": {"key": "k"}}
    return {"properties": properties | {"metadata": metadata or {}} | more}


@pytest.mark.parametrize(
    ("payload", "kind", "value"),
    [
        (
            arm("AzureOpenAI", metadata={"ApiType": "azure", "apiversion": "v", "ResourceId": "r"}),
            "AzureOpenAI",
            {
                "api_key": "k",
                "auth_mode": "key",
                "api_base": "http://t",
                "api_type": "azure",
                "api_version": "v",
                "resource_id": "r",
            },
        ),
        (arm("AzureOpenAI", "aad"), "AzureOpenAI", {"auth_mode": "meid_token", "api_base": "http://t"}),
        (
            arm("CognitiveSearch", metadata={"ApiVersion": "v"}),
            "CognitiveSearch",
            {"api_key": "k", "auth_mode": "key", "api_base": "http://t", "api_version": "v"},
        ),
        (arm("Serverless"), "Serverless", {"api_key": "k", "auth_mode": "key", "api_base": "http://t"}),
        (arm("AIServices"), "AzureAIServices", {"api_key": "k", "auth_mode": "key", "endpoint": "http://t"}),
        (
            arm("CognitiveService", metadata={"Kind": "Content Safety", "ApiVersion": ""}),
            "AzureContentSafety",
            {"api_key": "k", "auth_mode": "key", "endpoint": "http://t"},
        ),
        (
            arm("CognitiveService", metadata={"kind": "Form Recognizer"}),
            "FormRecognizer",
            {"api_key": "k", "auth_mode": "key", "endpoint": "http://t"},
        ),
        (
            arm("OpenAI", metadata={"Organization": "o"}),
            "OpenAI",
            {"api_key": "k", "base_url": "http://t", "organization": "o"},
        ),
        (arm("Serp"), "Serp", {"api_key": "k"}),
        (
            arm(
                "CustomKeys",
                "CustomKeys",
                credentials={"keys": {"s": "k", "both": "k"}},
                metadata={"a": "x", "both": "m", "none": "", "azureml.flow.module": "m"},
            ),
            "Custom",
            {"a": "x", "s": "k", "both": "m"},
        ),
        (
            arm(
                "CustomKeys",
                credentials={"keys": {"api_key": "k"}},
                metadata={"azureml.flow.connection_type": "OpenAI", "base_url": "u"},
            ),
            "OpenAI",
            {"base_url": "u", "api_key": "k"},
        ),
    ],
)
def test_azure_shape(payload, kind, value) -> None:
    form = from_arm("n", payload, "variable n")
    assert (form.type_name, form.value) == (f"{kind}Connection", value)


def test_the_secrets_of_azure_s_custom_keys() -> None:
    payload = arm("CustomKeys", credentials={"keys": {"s": "k"}}, metadata={"a": "x"})
    assert from_arm("n", payload, "o").secret_keys == {"s"}


@pytest.mark.parametrize(
    ("payload", "told"),
    [
        (CANARY, "the payload is no JSON object."),
        ({"properties": [CANARY]}, "'properties' is no JSON object."),
        (arm("AzureOpenAI", "PAT"), "Unsupported connection auth type 'PAT', supported types are 'ApiKey' and 'AAD'."),
        (arm("OpenAI", "AAD"), "Unsupported connection auth type 'AAD', supported types are 'ApiKey'."),
        (arm("Git"), "Unknown connection n category Git."),
        (
            arm("CognitiveService"),
            "Connection n is not recognized in PromptFlow: its metadata have no kind that we know.",
        ),
        (
            arm("CustomKeys", metadata={"azureml.flow.connection_type": "X"}),
            "Connection type 'XConnection' is not supp",
        ),
        (arm("CustomKeys", credentials={"keys": CANARY}), "'credentials.keys' is no JSON object."),
        (arm("Serp", credentials=CANARY), "'credentials' is no JSON object."),
    ],
)
def test_a_payload_that_makes_none(payload, told) -> None:
    with pytest.raises(BadPayload) as problem:
        from_arm("n", payload, "variable n")
    assert str(problem.value).startswith(told)
    assert CANARY not in str(problem.value)
