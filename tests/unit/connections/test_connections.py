"""One path from a name to a connection: what wins over what, and what is said when there is none."""

from __future__ import annotations

import base64
import gzip
import json
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path

import msgspec
import pytest

from pfserve.config import ServeConfig, load_config
from pfserve.connections import BrokenConnection, ConnectionProblem, Connections, MissingConnection, fill, load
from pfserve.values import connections as c

CANARY = "sk-canary-1234"

ONE = {"name": "my conn", "type": "azure_open_ai", "api_key": "of-file", "api_base": "http://file"}
TWO = {"name": "two", "type": "custom", "configs": {"a": "${env:A}"}, "secrets": {"s": "of-file"}}
ARM = json.dumps(
    {
        "properties": {
            "category": "AzureOpenAI",
            "authType": "ApiKey",
            "target": "http://arm",
            "credentials": {"key": "of-arm"},
        }
    }
)

Load = Callable[..., Connections]


def encoded(forms: Mapping[str, object]) -> str:
    return base64.b64encode(gzip.compress(json.dumps(forms).encode())).decode()


ENCODED = encoded(
    {
        "my conn": {
            "type": "AzureOpenAIConnection",
            "value": {"api_key": "of-encoded", "api_base": "http://encoded"},
            "secret_keys": ["api_key"],
        }
    }
)


@pytest.fixture
def given(tmp_path: Path) -> Load:
    """Loads connections of a file with these entries, under this environment, with these replacements."""

    def load_them(
        entries: object = (ONE, TWO), environ: Mapping[str, str] | None = None, replaced: tuple[str, ...] = ()
    ) -> Connections:
        (tmp_path / "c.json").write_text(json.dumps(entries))
        flags = {"flow": str(tmp_path), "connections": (str(tmp_path / "c.json"),), "connection": replaced}
        return load(load_config(flags, {}, cores=1), environ or {})

    return load_them


# -- What wins --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("environ", "replaced", "key", "base"),
    [
        ({}, (), "of-file", "http://file"),
        ({"PROMPTFLOW_ENCODED_CONNECTIONS": ENCODED}, (), "of-encoded", "http://encoded"),
        ({"PF_ENCODED_CONNECTIONS": ENCODED}, (), "of-encoded", "http://encoded"),
        ({"PROMPTFLOW_ENCODED_CONNECTIONS": ENCODED, "my_conn": ARM}, (), "of-arm", "http://arm"),
        ({"my_conn": ARM}, (), "of-arm", "http://arm"),
        ({"MY_CONN": ARM}, (), "of-file", "http://file"),  # the case counts
        ({"my_conn": ""}, (), "of-file", "http://file"),
        ({"my_conn": "other"}, (), "of-other", "http://other"),
        ({"my_conn": "other", "other": ARM}, (), "of-arm", "http://arm"),
        ({"my_conn": ARM}, ("my conn=other",), "of-other", "http://other"),  # the flag wins
        ({"MY_CONN_API_KEY": "of-variable"}, (), "of-variable", "http://file"),
        ({"MY_CONN_API_KEY": ""}, (), "", "http://file"),
        ({"MY_CONN_API_KEY": "of-variable", "my_conn": ARM}, (), "of-variable", "http://arm"),
        ({"MY_CONN_API_KEY": "of-variable"}, ("my conn=other",), "of-variable", "http://other"),
        ({"OTHER_API_KEY": "of-variable"}, ("my conn=other",), "of-other", "http://other"),
        ({"MY_CONN_API_KEY": "${env:K}", "K": "of-k"}, (), "of-k", "http://file"),
        ({"MY_CONN_API_BASE": " ${env:B} ", "B": "http://b"}, (), "of-file", "http://b"),
        ({"MY_CONN_API_BASE": "x${env:B}"}, (), "of-file", "x${env:B}"),
    ],
)
def test_precedence(environ, replaced, key, base, given: Load) -> None:
    other = {"name": "other", "type": "azure_open_ai", "api_key": "of-other", "api_base": "http://other"}
    made = given([ONE, other], environ, replaced).get("my conn")
    assert isinstance(made, c.AzureOpenAIConnection)
    assert (made.api_key, made.api_base, made.name) == (key, base, "my conn")


def test_an_alias_takes_nothing_from_the_others(given: Load) -> None:
    found = given([ONE, TWO], {"A": "1"}, ("x=my conn", "y=my conn"))
    assert [found.get(name).api_key for name in ("x", "y", "my conn")] == ["of-file"] * 3
    assert found.get("x") is found.get("x")


def test_the_last_of_two_with_one_name_counts(given: Load) -> None:
    assert given([ONE, {**ONE, "api_key": "later"}]).get("my conn").api_key == "later"


@pytest.mark.parametrize(
    ("environ", "values"),
    [
        ({"ONE_ORGANIZATION": "o", "ONE_BASE_URL": "u"}, ("o", "u")),  # fields that the file does not have
        ({"ONE_ORGANIZATION": ""}, (None, None)),
    ],
)
def test_a_variable_gives_a_field_that_the_file_lacks(environ, values, given: Load) -> None:
    made = given([{"name": "one", "type": "open_ai", "api_key": "k"}], environ).get("one")
    assert (made.organization, made.base_url) == values


def test_a_variable_gives_a_secret_that_the_file_leaves_open(given: Load) -> None:
    entries = [{"name": "one", "type": "open_ai", "api_key": "<user-input>"}, {"name": "two", "type": "open_ai"}]
    found = given(entries, {"ONE_API_KEY": "k1", "TWO_API_KEY": "k2"})
    assert (found.get("one").api_key, found.get("two").api_key) == ("k1", "k2")


def test_custom_values_take_variables_for_their_own_keys_only(given: Load) -> None:
    made = given([TWO], {"TWO_A": "x", "TWO_S": "y", "TWO_MORE": "z"}).get("two")
    assert (made.configs, made.secrets) == ({"a": "x"}, {"s": "y"})


def test_a_broken_one_that_nobody_needs_is_a_warning(given: Load) -> None:
    found = given([ONE, TWO, {"name": "three"}])
    found.get("my conn")
    [warning] = found.warnings()
    assert warning.startswith("connection 'three' from file ")
    assert warning.endswith(" has no 'type', such as open_ai or custom; nothing needs it")


def test_files_beside_encoded_connections_are_a_warning(given: Load) -> None:
    [warning] = given([ONE], {"PROMPTFLOW_ENCODED_CONNECTIONS": ENCODED}).warnings()
    assert warning.endswith("c.json (from flag --connections) is not read: PROMPTFLOW_ENCODED_CONNECTIONS is set")


# -- What is said -----------------------------------------------------------------------------------


def told_for(name: str, found: Connections, kind: type[ConnectionProblem]) -> str:
    with pytest.raises(kind) as problem:
        found.get(name)
    assert problem.value.name
    return str(problem.value)


def test_a_missing_one_names_every_way_to_supply_it(given: Load) -> None:
    told = told_for("new one", given(), MissingConnection)
    for word in (
        "connection 'new one' is not given (given: my conn, two)",
        "--connections PATH",
        "PFSERVE_CONNECTIONS",
        "--connection 'new one=OTHER'",
        "environment variable new_one=OTHER",
        "PROMPTFLOW_ENCODED_CONNECTIONS",
    ):
        assert word in told


def test_a_missing_one_among_encoded_ones(given: Load) -> None:
    told = told_for("new", given(environ={"PROMPTFLOW_ENCODED_CONNECTIONS": ENCODED}), MissingConnection)
    assert told.startswith("connection 'new' is not given (given: my conn); add it to PROMPTFLOW_ENCODED_CONNECTIONS")
    assert "--connections" not in told


def test_a_missing_replacement(given: Load) -> None:
    told = told_for("my conn", given(replaced=("my conn=nope",)), MissingConnection)
    assert told.startswith("connection 'nope' (in place of 'my conn') is not given")


def test_a_variable_that_is_no_connection_is_not_shown(given: Load) -> None:
    told = told_for("my conn", given(environ={"my_conn": CANARY}), MissingConnection)
    held = "the variable my_conn holds neither the name of another that is given nor readable JSON"
    assert told.startswith(f"connection 'my conn': {held} (given: my conn, two); give --connections PATH")


@pytest.mark.parametrize(
    ("environ", "told"),
    [
        (
            {"PROMPTFLOW_CONNECTION_PROVIDER": "local"},
            "PROMPTFLOW_CONNECTION_PROVIDER=local means promptflow's own store, pf.sqlite, which pfserve does not read",
        ),
        ({"PF_CONNECTION_PROVIDER": "x"}, "are expected as value. (from PF_CONNECTION_PROVIDER)"),
        ({}, "or put it into PROMPTFLOW_ENCODED_CONNECTIONS"),
    ],
)
def test_a_provider_that_cannot_be_asked(environ, told, given: Load) -> None:
    assert told_for("new", given(environ=environ), MissingConnection).endswith(told)


@pytest.mark.parametrize(
    ("entry", "environ", "told"),
    [
        ({"type": "open_ai", "api_key": "${env:K}"}, {}, "Environment variable K is not found. Set it, or N_API_KEY"),
        ({"type": "open_ai", "api_key": "***"}, {}, "has a placeholder for api_key; set N_API_KEY"),
        ({"type": "open_ai"}, {}, "of type OpenAIConnection lacks api_key (from file "),
        ({"type": "open_ai"}, {}, "; add it there, or set N_API_KEY"),
        ({"type": "nope"}, {}, "has the type 'nope'; known are"),
        ({"type": "serp"}, {"n": '"text"'}, "Invalid connection data detected while overriding connection n."),
        ({"type": "serp"}, {"n": '{"a": 1}'}, "('properties' is no JSON object.; from variable n)"),
    ],
)
def test_a_broken_one(entry, environ, told, given: Load) -> None:
    assert told in told_for("n", given([{"name": "n", **entry}], environ), BrokenConnection)


def test_how_they_resolved(given: Load, tmp_path: Path) -> None:
    urls = {
        "name": "urls",
        "type": "serverless",
        "api_key": CANARY,
        "api_base": f"https://u:{CANARY}@h:1/v1?key={CANARY}",
    }
    found = given([ONE, TWO, urls], {"A": CANARY, "MY_CONN_API_KEY": CANARY})
    for name in ("two", "urls", "my conn"):
        found.get(name)
    assert [str(one).replace(str(tmp_path), "…") for one in found.resolved()] == [
        "my conn (AzureOpenAI) from file …/c.json: api_base=http://file, api_type=azure, api_version=2024-02-01, "
        "auth_mode=key, api_key=****** (from variable MY_CONN_API_KEY)",
        "two (Custom) from file …/c.json: a=****** (from variable A), s=******",
        "urls (Serverless) from file …/c.json: api_base=https://h:1/v1?…, api_key=******",
    ]


def test_no_secret_is_ever_told(given: Load) -> None:
    """Every text that connections can give, with the canary in every place where a secret can be."""
    broken = {"name": "broken", "type": "custom", "configs": {"a": [CANARY]}, "secrets": {"s": CANARY}}
    lacking = {"name": "lacking", "type": "azure_open_ai", "api_key": CANARY}
    open_one = {"name": "open", "type": "custom", "configs": {"c": CANARY}, "secrets": {"s": "", "t": CANARY}}
    bad_data = json.dumps({"properties": {"category": "OpenAI", "authType": "X", "credentials": {"key": CANARY}}})
    found = given(
        [{**ONE, "api_key": CANARY}, {**TWO, "secrets": {"s": CANARY}}, broken, lacking, open_one],
        {"A": CANARY, "bad": bad_data, "MY_CONN_API_KEY": CANARY, "as_name": CANARY, "as_half_json": bad_data[:-1]},
    )
    told: list[object] = [found, found._sources, *found._sources.forms.values(), found.warnings(), found.names()]
    for name in ("my conn", "two"):
        told.append(found.get(name))
    for name in ("broken", "lacking", "open", "bad", "missing", "as_name", "as_half_json"):
        try:
            found.get(name)
        except ConnectionProblem as problem:
            told += [problem, problem.args, problem.__context__, traceback.format_exc()]
    told += [*found.resolved(), msgspec.json.encode(found.resolved())]
    for one in told:
        assert CANARY not in f"{one}" + f"{one!r}"


# -- The environment of a flow ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("${two.s}", "of-file"),
        (" ${two.a} ", "of-a"),
        ("${my conn.api_version}", "2024-02-01"),
        ("${two.nope}", "${two.nope}"),
        ("${my conn.resource_id}", "${my conn.resource_id}"),
        ("x${two.s}", "x${two.s}"),
        ("${two.s.t}", "${two.s.t}"),
        ("plain", "plain"),
    ],
)
def test_references_of_environment_variables(text: str, value: str, given: Load) -> None:
    assert fill(text, given(environ={"A": "of-a"})) == value


def test_a_reference_to_a_connection_that_is_missing(given: Load) -> None:
    with pytest.raises(MissingConnection):
        fill("${nope.key}", given())


# -- A stand-in -------------------------------------------------------------------------------------


def test_a_stand_in_replaces_models_and_leaves_the_rest(given: Load) -> None:
    def stand_in(kind: str) -> dict[str, object] | None:
        if kind in ("", "AzureOpenAIConnection", "OpenAIConnection"):
            value = {"api_key": "stub", "api_base": "http://stub", "base_url": "http://stub"}
            return {"type": kind or "AzureOpenAIConnection", "value": value, "secret_keys": ["api_key"]}
        return None

    found = given(environ={"A": "1", "MY_CONN_API_KEY": "real"})
    found = Connections(msgspec.structs.replace(found._sources, stand_in=stand_in))
    assert found.get("my conn").api_key == "stub"
    assert found.get("nobody gave it").type == "AzureOpenAI"
    assert found.get("nobody gave this", "OpenAIConnection").type == "OpenAI"
    assert found.get("two").secrets == {"s": "of-file"}


# -- What the operator sets -------------------------------------------------------------------------


def test_the_connections_of_a_promptflow_export_are_found(tmp_path: Path) -> None:
    (tmp_path / "flow" / ".promptflow").mkdir(parents=True)
    (tmp_path / "flow" / ".promptflow" / "flow.tools.json").touch()
    (tmp_path / "connections").mkdir()
    (tmp_path / "connections" / "one.yaml").write_text("{name: one, type: open_ai, api_key: '${env:ONE_API_KEY}'}")
    config: ServeConfig = load_config({"flow": str(tmp_path / "flow")}, {}, cores=1)
    assert config.origins["connections"] == "default for a promptflow export"
    assert load(config, {"ONE_API_KEY": "k"}).get("one").api_key == "k"
    assert load(config, {"PROMPTFLOW_ENCODED_CONNECTIONS": ENCODED}).names() == ("my conn",)


def test_with_a_stand_in_no_provider_is_asked(given: Load, tmp_path: Path) -> None:
    config = load_config({"flow": str(tmp_path)}, {}, cores=1)
    environ = {"PF_HTTP_CONNECTION_PROVIDER_ENDPOINT": "http://127.0.0.1:1"}
    found = load(config, environ, stand_in=lambda kind: None)
    told = told_for("search", found, MissingConnection)
    assert told.endswith(
        "; with --stub-llm no provider of connections is asked (from PF_HTTP_CONNECTION_PROVIDER_ENDPOINT)"
    )
