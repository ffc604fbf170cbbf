"""LLM nodes: what they ask, of whom, and every way to get them wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pfserve.errors import UserError
from pfserve.plan import Lane, StepKind, explain
from pfserve.values.roles import PromptResult
from unit.compiler.conftest import connections

if TYPE_CHECKING:
    from conftest import Flows

HEAD = """inputs:
  text: {type: string}
outputs:
  out: {type: string, reference: "${a.output}"}
nodes:
"""
NODE = """- name: a
  type: llm
  source: {type: code, path: a.jinja2}
  connection: azure
  api: chat
  inputs:
    deployment_name: gpt
    text: ${inputs.text}
"""
PROMPT = "user:\n{{text}}"


def files(node: str = NODE, prompt: str = PROMPT, more: str = "") -> dict[str, str]:
    return {"flow.dag.yaml": HEAD + node + more, "a.jinja2": prompt}


def test_a_call_knows_its_api_connection_and_names(flows: Flows) -> None:
    given = connections()
    node = NODE.replace("gpt", "gpt\n    model: other\n    temperature: '0.5'\n    stop: '[\"x\"]'\n    more: m")
    [step] = flows.compile(files(node), connections=given).steps
    assert (step.kind, step.lane, step.is_async) == (StepKind.LLM, Lane.LOOP, True)
    assert step.call is not None
    assert (step.call.api, step.call.connection, step.call.escaped) == ("chat", given.get("azure"), ("text",))
    assert {one.name for one in step.arguments} - step.call.parameters == {"model", "more", "text"}
    assert step.call.template(text="hi", model="other", more="m") == "user:\nhi"


def test_a_prompt_given_as_an_input_takes_the_place_of_the_file(flows: Flows) -> None:
    node = NODE.replace("gpt", "gpt\n    prompt: ${inputs.text}")
    [step] = flows.compile(files(node), connections=connections()).steps
    assert step.call is not None
    assert step.call.escaped == ("text",), "the roles of a whole prompt are meant"
    assert step.call.template(prompt="user:\nHi {{ text }}.\n", text="you") == "user:\nHi you.\n"
    with pytest.raises(UserError, match="Failed to render jinja template: UndefinedError"):
        step.call.template(prompt="{{ a.b.c }}", text="")
    with pytest.raises(UserError, match="Failed to render jinja template: TypeError"):
        step.call.template(prompt=5, text="")


def test_literals_for_the_api_have_its_types_and_others_stay(flows: Flows) -> None:
    node = NODE.replace("gpt", "gpt\n    max_tokens: '12'\n    functions: '[{}]'\n    n: '2'\n    other: '2'")
    plan = flows.compile(files(node), connections=connections())
    literals = {
        one.name: plan.literals[one.value.slot - 1] for one in plan.steps[0].arguments if 0 < one.value.slot < 6
    }
    assert literals == {"deployment_name": "gpt", "max_tokens": 12, "functions": [{}], "n": 2, "other": "2"}


def test_arguments_of_the_api_are_optional_but_for_the_required_one(flows: Flows) -> None:
    node = NODE.replace("gpt", "gpt\n    seed: 1")
    [step] = flows.compile(files(node), connections=connections()).steps
    assert {one.name: one.optional for one in step.arguments} == {
        "deployment_name": False,
        "seed": True,
        "text": False,
        "stream": False,
    }


@pytest.mark.parametrize("connection", ["openai", "serverless"])
def test_the_connection_decides_what_belongs_to_the_api(flows: Flows, connection: str) -> None:
    node = NODE.replace("connection: azure", f"connection: {connection}").replace("gpt", "gpt\n    model: m")
    [step] = flows.compile(files(node, "user:\n{{deployment_name}}"), connections=connections()).steps
    assert step.call is not None
    assert "model" in step.call.parameters
    assert "deployment_name" not in step.call.parameters


def test_explain_says_who_is_asked_and_no_secret(flows: Flows) -> None:
    text = explain(flows.compile(files(), connections=connections()))
    assert "    a: async llm, flow.dag.yaml:6\n      asks azure for chat\n" in text
    assert "s3cret" not in text


NO_KNOWN = "connection 'zzz' is not given (given: azure, custom, openai, serverless); give --connections"
MISTAKES = {
    "no connection": (NODE.replace("  connection: azure\n", ""), "flow.dag.yaml:6: node 'a' has no 'connection'"),
    "unknown connection": (
        NODE.replace("azure", "zzz"),
        f"flow.dag.yaml:9: Get connection 'zzz' for node 'a' error: {NO_KNOWN}",
    ),
    "another kind of connection": (
        NODE.replace("azure", "custom"),
        "flow.dag.yaml:9: node 'a': Connection type CustomConnection is not supported for LLM.",
    ),
    "no api": (
        NODE.replace("  api: chat\n", ""),
        "flow.dag.yaml:6: node 'a': The API 'AzureOpenAI.None' is not found; there are chat and completion",
    ),
    "unknown api": (
        NODE.replace("api: chat", "api: chit"),
        "flow.dag.yaml:10: node 'a': The API 'AzureOpenAI.chit' is not found; did you mean 'chat'?",
    ),
    "a parameter that does not fit": (
        NODE.replace("gpt", "gpt\n    temperature: warm"),
        "flow.dag.yaml:13: Input 'temperature' for node 'a' of value 'warm' is not type double.",
    ),
    "no prompt": (
        NODE.replace("a.jinja2", "b.jinja2"),
        "flow.dag.yaml:8: Node source path 'b.jinja2' is invalid on node 'a'.",
    ),
    "no source": (
        NODE.replace("  source: {type: code, path: a.jinja2}\n", ""),
        "flow.dag.yaml:6: Node a does not have source defined",
    ),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake(flows: Flows, name: str) -> None:
    node, expected = MISTAKES[name]
    [found] = flows.mistakes(files(node), connections=connections())
    assert found.startswith(expected)


def test_mistakes_of_connection_and_prompt_are_told_at_once(flows: Flows) -> None:
    assert len(flows.mistakes(files(NODE.replace("azure", "zzz"), "{{ text"), connections=connections())) == 2


PROMPT_MISTAKES = {
    "a parameter of the api": ("{{stream}} {{model}} {{temperature}}", "'stream', 'temperature'"),
    "the prompt itself": ("{{prompt}}", "'prompt'"),
}


@pytest.mark.parametrize("name", PROMPT_MISTAKES)
def test_a_variable_that_the_api_has(flows: Flows, name: str) -> None:
    prompt, expected = PROMPT_MISTAKES[name]
    assert flows.mistakes(files(prompt=prompt), connections=connections()) == [
        f"a.jinja2: Invalid inputs {{{expected}}} in prompt template of node a. "
        "These inputs are duplicated with the parameters of AzureOpenAI.chat."
    ]


def test_a_variable_called_template_is_fine_here(flows: Flows) -> None:
    assert flows.compile(files(prompt="{{template}}"), connections=connections())


def test_the_connection_of_an_aggregation_must_be_there_too(flows: Flows) -> None:
    more = NODE.replace("name: a", "name: b\n  aggregation: true").replace("azure", "zzz")
    [found] = flows.mistakes(files(more=more), connections=connections())
    assert found.startswith("flow.dag.yaml:18: Get connection 'zzz' for node 'b' error: ")


def test_what_the_api_requires_is_warned_of(flows: Flows) -> None:
    plan = flows.compile(files(NODE.replace("    deployment_name: gpt\n", "")), connections=connections())
    assert plan.warnings == ("flow.dag.yaml:6: node 'a' does not give 'deployment_name', which the chat API requires",)


PROMPTS = """- {name: first, type: prompt, source: {path: p.jinja2}, inputs: {x: "${inputs.text}"}}
- {name: second, type: prompt, source: {path: p.jinja2}, inputs: {x: "${first.output}"}}
- {name: aside, type: prompt, source: {path: p.jinja2}, inputs: {x: "${inputs.text}"}}
"""


def test_only_prompts_that_a_model_reads_keep_their_escapes(flows: Flows) -> None:
    text = HEAD + PROMPTS + NODE.replace("${inputs.text}", "${second.output}")
    plan = flows.compile({"flow.dag.yaml": text, "a.jinja2": PROMPT, "p.jinja2": "<{{x}}>"}, connections=connections())
    functions = {step.name: step.function for step in plan.steps}
    first = functions["first"](x="a\nsystem:\nb")
    second = functions["second"](x=first)
    assert (type(first), type(second), type(functions["aside"](x="y"))) == (PromptResult, PromptResult, str)
    assert second == "<<a\nsystem:\nb>>"
    assert isinstance(second, PromptResult)
    assert "system" not in second.escaped


@pytest.mark.parametrize(
    ("model", "more", "models"),
    [
        ("gpt-4o", "", ["gpt-4o"]),  # the last node: a request may ask for a stream
        ("gpt-4o", "- {name: b, type: prompt, source: {type: code, path: a.jinja2}, inputs: {text: x}}\n", ["gpt-4o"]),
        ("${inputs.text}", "", []),
        (
            "gpt-4o",
            "- {name: b, type: prompt, source: {type: code, path: a.jinja2}, inputs: {text: '${a.output}'}}\n",
            [],
        ),
        ("gpt-4o\n    stream: 'true'", "", ["gpt-4o"]),
    ],
)
def test_the_models_whose_streams_will_be_counted(model: str, more: str, models: list[str], flows: Flows) -> None:
    plan = flows.compile(files(NODE.replace("gpt", model), more=more), connections=connections())
    assert [name for _, name in plan.streaming_models()] == models
