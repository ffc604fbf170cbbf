"""Nodes whose tools need no package: compiled to calls that the worker makes on its loop."""

from __future__ import annotations

import inspect

import pytest

from pfserve.connections import Connections, Form, Sources
from pfserve.llm.tools import TOOLS
from pfserve.plan import Lane, Plan, Step, StepKind, ToolCall, explain
from pfserve.values.builtin_tools import BUILTIN_TOOLS
from unit.compiler.conftest import Flows

HEAD = "inputs: {text: {type: string}}\noutputs: {out: {type: string, reference: '${a.output}'}}\nnodes:\n"
FORMS = {
    "azure": ("AzureOpenAIConnection", {"api_key": "s3cret", "api_base": "http://azure"}),
    "openai": ("OpenAIConnection", {"api_key": "s3cret"}),
    "serp": ("SerpConnection", {"api_key": "s3cret"}),
    "safety": ("AzureContentSafetyConnection", {"api_key": "s3cret", "endpoint": "http://safe"}),
    "open": ("CustomConnection", {"endpoint_url": "http://open", "model_family": "LLAMA", "endpoint_api_key": "s3c"}),
}
LLM = "promptflow.tools.llm.llm"
SEARCH = "promptflow.tools.serpapi.SerpAPI.search"
OPEN = "promptflow.tools.open_model_llm.OpenModelLLM.call"


def given() -> Connections:
    forms = {name: Form(kind, value, frozenset(), "a test") for name, (kind, value) in FORMS.items()}
    return Connections(Sources(forms))


def node(tool: str, inputs: str) -> str:
    prompt = BUILTIN_TOOLS[tool].prompt if tool in BUILTIN_TOOLS else False
    kind, source = ("custom_llm", "package_with_prompt") if prompt else ("python", "package")
    path = ", path: a.jinja2" if prompt else ""
    return HEAD + f"- {{name: a, type: {kind}, source: {{type: {source}, tool: {tool}{path}}}, inputs: {{{inputs}}}}}\n"


def compiled(flows: Flows, tool: str, inputs: str, template: str = "user:\n{{text}}") -> tuple[Plan, Step]:
    plan = flows.compile({"flow.dag.yaml": node(tool, inputs), "a.jinja2": template}, connections=given())
    [step] = plan.steps
    assert step.is_async
    assert step.lane is Lane.LOOP
    return plan, step


def literals(plan: Plan) -> list[object]:
    return list(plan.literals)


def test_every_tool_of_the_table_can_be_called_with_the_inputs_that_it_says() -> None:
    assert TOOLS.keys() == BUILTIN_TOOLS.keys()
    for identity, tool in BUILTIN_TOOLS.items():
        _, *parameters = inspect.signature(TOOLS[identity].ask).parameters.values()
        names = {one.name for one in parameters if one.kind is not one.VAR_KEYWORD}
        takes_any = any(one.kind is one.VAR_KEYWORD for one in parameters)
        assert names <= tool.inputs.keys(), identity
        assert takes_any or names == tool.inputs.keys(), identity
        assert {one.name for one in parameters if one.default is one.empty and one.name in names} == set(tool.required)
        assert takes_any or not tool.open, identity


def test_a_language_model_is_asked_with_its_template_and_what_strangers_wrote(flows: Flows) -> None:
    plan, step = compiled(flows, LLM, "connection: azure, temperature: '0.5', text: '${inputs.text}'")
    assert isinstance(step.call, ToolCall)
    assert step.kind is StepKind.LLM
    assert step.call.template is not None
    assert step.call.template(text="hi") == "user:\nhi"
    assert step.call.escaped == ("text",)
    assert 0.5 in literals(plan)
    assert plan.streaming is not None
    assert "asks azure for llm" in explain(plan)


def test_images_stand_on_lines_of_their_own(flows: Flows) -> None:
    inputs = "connection: openai, text: '${inputs.text}'"
    _, step = compiled(flows, "promptflow.tools.llm_vision.llm_vision", inputs, "user:\nsee ![image]({{text}}) here")
    assert isinstance(step.call, ToolCall)
    assert step.call.template is not None
    assert step.call.template(text="IMAGE") == "user:\nsee \nIMAGE\n here"


def test_a_tool_without_a_prompt(flows: Flows) -> None:
    _, step = compiled(flows, SEARCH, "connection: serp, query: '${inputs.text}', num: '3'")
    assert isinstance(step.call, ToolCall)
    assert step.kind is StepKind.TOOL
    assert step.call.template is None
    assert {one.name for one in step.arguments} == {"connection", "query", "num"}


def test_a_former_id(flows: Flows) -> None:
    former = "content_safety_text.tools.content_safety_text_tool.analyze_text"
    _, step = compiled(flows, former, "connection: safety, text: '${inputs.text}'")
    assert isinstance(step.call, ToolCall)
    assert step.call.tool == "promptflow.tools.azure_content_safety.analyze_text"


@pytest.mark.parametrize("kind", ["connection", "localConnection"])
def test_an_open_model_is_found_among_the_connections(flows: Flows, kind: str) -> None:
    _, step = compiled(flows, OPEN, f"api: chat, endpoint_name: {kind}/open, text: '${{inputs.text}}'")
    assert isinstance(step.call, ToolCall)
    assert getattr(step.call.connection, "name", "") == "open"


MISTAKES = {
    "another connection": (
        SEARCH,
        "connection: azure, query: x",
        "Input 'connection' for node 'a' of type 'AzureOpenAIConnection' is not supported, valid types "
        "['SerpConnection'].",
    ),
    "a connection from outside": (
        SEARCH,
        "connection: '${inputs.text}', query: x",
        "Invalid input for 'Serp API': Initialization input 'connection' requires a literal value, but ${inputs.text} "
        "was received. (node 'a')",
    ),
    "no connection": (
        SEARCH,
        "query: x",
        "node 'a': Required inputs ['connection'] are not provided for tool 'Serp API'.",
    ),
    "a literal of another type": (
        LLM,
        "connection: azure, max_tokens: many",
        "Input 'max_tokens' for node 'a' of value 'many' is not type int.",
    ),
    "an endpoint of a workspace": (
        OPEN,
        "api: chat, endpoint_name: onlineEndpoint/mine",
        "node 'a' names the endpoint 'onlineEndpoint/mine': onlineEndpoint 'mine': no workspace is known to look it up "
        "in",
    ),
    "an endpoint of no kind": (
        OPEN,
        "api: chat, endpoint_name: mine",
        "node 'a' names the endpoint 'mine': that is none of connection/NAME, onlineEndpoint/NAME or "
        "serverlessEndpoint/NAME",
    ),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake(flows: Flows, name: str) -> None:
    tool, inputs, expected = MISTAKES[name]
    files = {"flow.dag.yaml": node(tool, inputs), "a.jinja2": "user:\nhi"}
    [told] = flows.mistakes(files, connections=given())
    assert told.partition(": ")[2] == expected


def test_a_name_that_the_tool_does_not_take_is_warned_of(flows: Flows) -> None:
    plan, _ = compiled(flows, SEARCH, "connection: serp, query: x, numb: 3")
    [warning] = plan.warnings
    assert warning.endswith("node 'a' gives 'numb', which search() does not take; did you mean 'num'?")
