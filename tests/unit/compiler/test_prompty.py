"""A prompty as a plan: its inputs, its model, and every way to get it wrong (contract 4.2; 10.2 rows 26, 27)."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pfserve.compiler import compile_flow
from pfserve.connections import Connections, Sources
from pfserve.errors import UserError
from pfserve.flow import read_flow
from pfserve.plan import Lane, Plan, PromptyCall, StepKind, explain
from pfserve.stub import stub_connection
from pfserve.values import Image, Pending
from pfserve.web.events import can_stream
from unit.compiler.conftest import connections

if TYPE_CHECKING:
    from conftest import Flows

PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
MODEL = """model:
  configuration: {type: azure_openai, azure_deployment: gpt, connection: azure}
  parameters: {}
"""
ASK = "user:\n{{question}}"


def prompty(more: str = "inputs:\n  question: {type: string}\n", model: str = MODEL, template: str = ASK) -> str:
    return f"---\n{model}{more}---\n{template}"


@pytest.fixture(autouse=True)
def no_service(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AZURE_OPENAI_ENDPOINT", "AZURE_OPENAI_API_KEY", "OPENAI_API_VERSION", "OPENAI_API_KEY"):
        monkeypatch.delenv(name, raising=False)


def compiled(flows: Flows, text: str, **files: str) -> Plan:
    return flows.compile({"x.prompty": text, **files}, connections=connections())


def call_of(plan: Plan) -> PromptyCall:
    [step] = plan.steps
    assert isinstance(step.call, PromptyCall)
    return step.call


def mistakes(flows: Flows, text: str, **files: str) -> list[str]:
    return flows.mistakes({"x.prompty": text, **files}, connections=connections())


def test_a_prompty_is_one_call_on_the_loop(flows: Flows) -> None:
    plan = compiled(flows, prompty())
    [step] = plan.steps
    assert (step.name, step.kind, step.lane, step.is_async) == ("x", StepKind.PROMPTY, Lane.LOOP, True)
    assert (plan.kind, plan.width, plan.warnings) == ("prompty", 0, ())
    call = call_of(plan)
    assert (call.api, call.model, call.whole, call.outputs) == ("chat", "gpt", False, ())
    assert call.template(question="hi") == "user:\nhi"
    assert "    x: async prompty, x.prompty:8\n      asks azure for chat\n" in explain(plan)
    assert "s3cret" not in explain(plan)


# -- inputs


def test_declared_inputs_are_converted_and_have_defaults(flows: Flows) -> None:
    plan = compiled(flows, prompty("inputs:\n  n: {type: int, default: '3'}\n  l: {type: list}\n  o: {type: object}\n"))
    assert [(one.name, one.required, one.default) for one in plan.inputs] == [
        ("n", False, 3),
        ("l", True, None),
        ("o", True, None),
    ]
    assert plan.inputs[1].convert("[1]") == [1]


def test_a_sample_alone_makes_inputs_with_its_values_as_defaults(flows: Flows) -> None:
    plan = compiled(flows, prompty("sample: {question: '', n: 1, f: 0.5, b: true, l: [], o: {}, none: null}\n"))
    told = {one.name: (one.type, one.required, one.default) for one in plan.inputs}
    assert told == {
        "question": ("string", False, ""),
        "n": ("int", False, 1),
        "f": ("double", False, 0.5),
        "b": ("bool", False, True),
        "l": ("list", False, []),
        "o": ("object", False, {}),
        "none": ("object", False, None),
    }
    schema = json.loads(plan.swagger)["paths"]["/score"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    assert schema["properties"]["n"] == {"type": "integer", "default": 1}


@pytest.mark.parametrize("sample", ["${file:s.json}", "file:s.json", "s.json"])
def test_a_sample_may_be_a_file_beside_the_prompty(flows: Flows, sample: str) -> None:
    plan = compiled(flows, prompty(f"sample: {sample}\n"), **{"s.json": '{"question": "from file"}'})
    assert [(one.name, one.default) for one in plan.inputs] == [("question", "from file")]


@pytest.mark.parametrize(
    ("sample", "told"),
    [
        ("file:none.json", "Cannot find sample file none.json."),
        ("'a text'", "Only dict and json file are supported as sample in prompty."),
        ("[1]", "Only dict and json file are supported as sample in prompty."),
        ("file:bad.json", "the sample file bad.json cannot be read: Expecting value: line 1 column 1 (char 0)"),
    ],
)
def test_a_sample_that_is_none(flows: Flows, sample: str, told: str) -> None:
    assert mistakes(flows, prompty(f"sample: {sample}\n"), **{"bad.json": "no"}) == [f"x.prompty:5: {told}"]


def test_declared_inputs_count_more_than_a_sample(flows: Flows) -> None:
    plan = compiled(flows, prompty("inputs:\n  question: {type: string}\nsample: file:none.json\n"))
    assert [(one.name, one.required) for one in plan.inputs] == [("question", True)]


def test_texts_of_one_form_are_images_in_inputs_of_every_type(flows: Flows) -> None:
    plan = compiled(flows, prompty("inputs:\n  question: {type: string}\n"))
    read = plan.inputs[0].images
    assert read is not None
    assert read("data: no image") == "data: no image"
    assert isinstance(read(f"data:image/png;base64: {PNG}"), Image)
    assert isinstance(read("data:image/png;url: http://example.org/a.png"), Pending)


def test_a_request_may_not_name_a_file_but_the_author_may(flows: Flows) -> None:
    (flows.folder / "a.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    (flows.folder / "p").mkdir()
    front = "sample:\n  picture: 'data:image/png;path:../a.png'\n"
    (flows.folder / "p" / "x.prompty").write_text(prompty(front))
    [spec] = compile_flow(read_flow(flows.folder / "p"), connections=connections()).inputs
    assert isinstance(spec.default, Image)
    assert spec.images is not None
    with pytest.raises(UserError, match="requests may not name local files"):
        spec.images("data:image/png;path: ../a.png")


# -- the template


def test_a_template_that_is_wrong_is_a_mistake_with_its_line(flows: Flows) -> None:
    [told] = mistakes(flows, prompty(template="user:\n{% if x %}\nhi\n{% endfor %}"))
    assert told.startswith("x.prompty:11: Jinja parsing failed: (TemplateSyntaxError) Encountered unknown tag 'endfor'")


def test_a_placeholder_for_an_image_stands_on_a_line_of_its_own(flows: Flows) -> None:
    call = call_of(compiled(flows, prompty(template="user:\nlook ![image]({{question}}) here")))
    assert call.template(question="Image(1)") == "user:\nlook \nImage(1)\n here"


# -- references


def test_references_to_variables_and_files(flows: Flows, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROMPTY_MODEL", "from-env")
    model = (
        "model:\n  configuration: {type: azure_openai, azure_deployment: '${env:PROMPTY_MODEL} and more', "
        "connection: azure}\n  parameters:\n    tools: ${file:more/tools.json}\n    stop: ['${file:more/stop.yaml}']\n"
        "    user: ${file:more/user.txt}\n    seed: a ${env:PROMPTY_MODEL}\n    n: ${what:ever}\n"
    )
    files = {"more/tools.json": '[{"a": 1}]', "more/stop.yaml": "x: [1]", "more/user.txt": "ann"}
    call = call_of(compiled(flows, prompty(model=model), **files))
    assert call.model == "from-env"  # what stands behind a reference is dropped, as in promptflow
    assert call.parameters == {
        "tools": [{"a": 1}],
        "stop": [{"x": [1]}],
        "user": "ann",
        "seed": "a ${env:PROMPTY_MODEL}",
        "n": "${what:ever}",
    }


def test_files_that_cannot_be_read_are_told_together(flows: Flows) -> None:
    model = MODEL.replace(
        "{}", "\n    tools: ${file:none.json}\n    stop: ${file:bad.json}\n    user: ${file:bad.yaml}"
    )
    assert mistakes(flows, prompty(model=model), **{"bad.json": "no", "bad.yaml": "a: ["}) == [
        "x.prompty:5: Cannot find the reference file none.json.",
        "x.prompty:6: the reference file bad.json cannot be read: Expecting value: line 1 column 1 (char 0)",
        "x.prompty:7: the reference file bad.yaml cannot be read: bad.yaml:1: invalid YAML: while parsing a flow node, "
        "expected the node content, but found '<stream end>'",
    ]


def test_a_variable_that_is_not_set_stays_and_is_warned_of(flows: Flows) -> None:
    plan = compiled(flows, prompty(model=MODEL.replace("{}", "{user: '${env:PROMPTY_NOBODY}'}")))
    assert call_of(plan).parameters == {"user": "${env:PROMPTY_NOBODY}"}
    told = "the environment variable PROMPTY_NOBODY is not set: the text ${env:PROMPTY_NOBODY} stays"
    assert plan.warnings == (f"x.prompty:4: {told}",)


# -- the model


def test_everything_that_is_wrong_is_told_at_once(flows: Flows) -> None:
    text = prompty(
        "inputs:\n  a: {type: strng}\n  b: {}\n",
        "model:\n  configuraton: {}\n  connection: azure\n",
        "user:\n{{a",
    )
    assert mistakes(flows, text) == [
        "x.prompty:2: 'model' has no 'configuration'",
        "x.prompty:2: 'model' has no 'parameters'; write {} for none",
        "x.prompty:3: 'model' has the unknown key 'configuraton'; did you mean 'configuration'?",
        "x.prompty:4: 'model' has the unknown key 'connection'; it belongs under 'configuration'",
        "x.prompty:6: 'a' has the unknown type 'strng'; did you mean 'string'?",
        "x.prompty:7: input 'b' has no 'type'",
        "x.prompty:10: Jinja parsing failed: (TemplateSyntaxError) unexpected end of template, "
        "expected 'end of print statement'.",
    ]


@pytest.mark.parametrize(
    ("model", "told"),
    [
        ("", "2: a prompty needs a mapping 'model' with 'configuration' and 'parameters'"),
        ("model: gpt\n", "2: a prompty needs a mapping 'model' with 'configuration' and 'parameters'"),
        (MODEL.replace("{}", "[]"), "4: 'parameters' of 'model' must be a mapping"),
        (MODEL.replace("azure}", "nobody}"), r"3: connection 'nobody' is not given \(given: azure, .*"),
        (
            MODEL.replace("azure}", "azure, api_key: x}"),
            "3: Cannot configure model config and connection in configuration at the same time.",
        ),
    ],
)
def test_a_model_that_cannot_be(flows: Flows, model: str, told: str) -> None:
    [said] = mistakes(flows, prompty(model=model))
    assert re.fullmatch(rf"x\.prompty:{told}", said), said


def test_parameters_may_be_empty(flows: Flows) -> None:
    assert call_of(compiled(flows, prompty(model=MODEL.replace(" {}", "")))).parameters == {}


INLINE = [
    ("type: azure_openai, azure_deployment: d, azure_endpoint: http://a, api_key: k", "http://a", "2024-02-01", "k"),
    ("type: AzureOpenAI, azure_deployment: d, api_base: http://a, api_version: v, api_key: k", "http://a", "v", "k"),
    ("type: azure_openai, model: d, azure_endpoint: http://a", "http://a", "2024-02-01", None),  # opened by a token
]


@pytest.mark.parametrize(("fields", "base", "version", "key"), INLINE)
def test_an_azure_connection_in_the_file(flows: Flows, fields: str, base: str, version: str, key: object) -> None:
    call = call_of(compiled(flows, prompty(model=f"model:\n  configuration: {{{fields}}}\n  parameters: {{}}\n")))
    made = call.connection
    assert (call.model, made.api_base, made.api_version, made.api_key) == ("d", base, version, key)  # type: ignore[attr-defined]


@pytest.mark.parametrize("kind", ["openai", "OpenAI"])
def test_an_openai_connection_in_the_file(flows: Flows, kind: str) -> None:
    fields = f"type: {kind}, model: m, base_url: http://o, api_key: k, organization: org"
    call = call_of(compiled(flows, prompty(model=f"model:\n  configuration: {{{fields}}}\n  parameters: {{}}\n")))
    made = call.connection
    assert (call.model, made.base_url, made.api_key, made.organization) == ("m", "http://o", "k", "org")  # type: ignore[attr-defined]


def test_a_model_alone_is_that_of_the_environment(flows: Flows, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AZURE_OPENAI_ENDPOINT", "http://env")
    monkeypatch.setenv("AZURE_OPENAI_API_KEY", "key")
    model = "model:\n  configuration: {type: azure_openai, azure_deployment: d}\n  parameters: {}\n"
    made = call_of(compiled(flows, prompty(model=model))).connection
    assert dict(made)["api_base"] == "http://env"  # type: ignore[call-overload]


@pytest.mark.parametrize(
    ("configuration", "kind", "told"),
    [
        (
            "type: azure_openai, azure_deployment: d",
            "RequiredEnvironmentVariablesNotSetError",
            "Required environment variables ['AZURE_OPENAI_ENDPOINT', 'AZURE_OPENAI_API_KEY'] to build "
            "AzureOpenAIConnection not set.",
        ),
        (
            "type: openai, model: m",
            "RequiredEnvironmentVariablesNotSetError",
            "Required environment variables ['OPENAI_API_KEY'] to build OpenAIConnection not set.",
        ),
        (
            "type: unify, model: m",
            "UnknownConnectionType",
            "Not Support connection type unify for embedding api. Connection type should be in [AzureOpenAI, OpenAI].",
        ),
        (
            "model: m, connection: custom",
            "UnknownConnectionType",
            "Not Support connection type Custom for embedding api. Connection type should be in [AzureOpenAI, OpenAI].",
        ),
    ],
)
def test_what_promptflow_starts_with_and_answers_400(flows: Flows, configuration: str, kind: str, told: str) -> None:
    plan = compiled(flows, prompty(model=f"model:\n  configuration: {{{configuration}}}\n  parameters: {{}}\n"))
    problem = call_of(plan).problem
    assert problem is not None
    assert (type(problem()).__name__, str(problem())) == (kind, told)
    assert plan.warnings == (f"x.prompty:3: every request is answered with 400: {told}",)


@pytest.mark.parametrize(
    ("configuration", "kind"),
    [
        ("type: openai, model: m", "OpenAI"),
        ("type: azure_openai, azure_deployment: d, api_key: real, azure_endpoint: http://real", "AzureOpenAI"),
        ("type: openai, model: m, connection: nobody", "OpenAI"),
    ],
)
def test_the_stub_stands_in_for_every_configuration(flows: Flows, configuration: str, kind: str) -> None:
    given = Connections(Sources(forms={}, stand_in=lambda name: stub_connection(name, "http://stub")))
    text = prompty(model=f"model:\n  configuration: {{{configuration}}}\n  parameters: {{}}\n")
    made = call_of(flows.compile({"x.prompty": text}, connections=given)).connection
    assert (type(made).TYPE, dict(made)["api_key"]) == (kind, "stub")  # type: ignore[attr-defined,call-overload]
    [resolved] = given.resolved()
    assert resolved.origin == "stub"


def test_a_connection_in_the_file_is_told_without_its_secrets(flows: Flows) -> None:
    given = connections()
    fields = "type: openai, model: m, base_url: http://o, api_key: s3cret"
    flows.compile(
        {"x.prompty": prompty(model=f"model:\n  configuration: {{{fields}}}\n  parameters: {{}}\n")}, connections=given
    )
    [resolved] = given.resolved()
    assert str(resolved) == "model of x.prompty (OpenAI) from the flow: base_url=http://o, api_key=******"


@pytest.mark.parametrize(
    ("parameters", "response", "streams"),
    [
        ("{}", "first", False),
        ("{stream: true}", "first", True),
        ("{stream: true, response_format: {type: json_object}}", "first", False),
        ("{stream: true, response_format: {type: text}}", "first", True),
        ("{stream: true}", "all", True),
    ],
)
def test_whether_it_can_stream_is_known_before_it_runs(
    flows: Flows, parameters: str, response: str, streams: bool
) -> None:
    model = MODEL.replace("{}", parameters) + f"  response: {response}\n"
    plan = compiled(flows, prompty(model=model))
    assert (call_of(plan).streams, can_stream(plan)) == (streams, streams)


def test_an_api_or_response_that_nobody_knows_is_read_as_usual(flows: Flows) -> None:
    plan = compiled(flows, prompty(model=MODEL + "  api: chats\n  response: each\n"))
    assert (call_of(plan).api, call_of(plan).whole) == ("chat", False)
    assert plan.warnings == (
        "x.prompty:5: 'api' of 'model' is 'chats', which is read as 'chat'",
        "x.prompty:6: 'response' of 'model' is 'each', which is read as 'first'",
    )


def test_chat_inputs_are_told_in_swagger(flows: Flows) -> None:
    plan = compiled(
        flows,
        prompty("inputs:\n  q: {type: string, is_chat_input: true}\n  h: {type: list, is_chat_history: true}\n"),
    )
    info = json.loads(plan.swagger)["info"]
    assert (info["x-flow-type"], info["x-chat-input"], info["x-chat-history"]) == ("chat", "q", "h")


def test_outputs_are_in_swagger_and_may_be_hidden(flows: Flows) -> None:
    text = prompty("outputs:\n  a: {type: string}\n  b: {type: int}\n")
    plan = flows.compile({"x.prompty": text}, connections=connections(), included_outputs=("a",))
    assert plan.returned is not None
    assert plan.returned.hidden == {"b"}
    assert call_of(plan).outputs == ("a", "b")
    assert Path(plan.folder) == flows.folder
