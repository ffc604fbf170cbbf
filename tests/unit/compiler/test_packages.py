"""Tools of installed packages: made here, with their metadata, where ``importlib.metadata`` looks."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from pfserve.plan import Lane, Plan
from unit.compiler.conftest import Flows, connections

Install = Callable[..., None]

TOOLS = """\
from house import tool, ToolProvider, CustomConnection, CustomStrongTypeConnection, streaming

class PromptTemplate(str):
    pass

class Own(CustomStrongTypeConnection):
    place: str

@tool
def echo(text, times: str = "9", **more):
    return [text, times, more]

async def later(text):
    return text

@streaming
def stream(text, stream=False):
    return text

def own(connection: Own):
    return connection.place

def ask(connection: CustomConnection, prompt: PromptTemplate, heat: str = "1", **variables):
    return [type(prompt).__name__, str(prompt), heat, variables]

def plain(prompt: PromptTemplate, name):
    return [prompt, name]

def promptless(text, **more):
    return text

class Greeter(ToolProvider):
    def __init__(self, greeting, name="nobody"):
        self.greeting = greeting + name

    @tool
    def greet(self, text):
        return self.greeting + text
"""
METADATA = {
    "p.echo": ("echo", {"text": "object", "times": "int", "extra": ["double"]}),
    "p.later": ("later", {"text": "string"}),
    "p.stream": ("stream", {"text": "string"}),
    "p.own": ("own", {"connection": ["CustomConnection"]}),
    "p.ask": ("ask", {"connection": ["CustomConnection"], "heat": "double"}),
    "p.plain": ("plain", {"name": "string"}),
    "p.promptless": ("promptless", {}),
    "p.odd": ("echo", {"text": "no_such_type"}),
    "p.gone": ("nowhere", {}),
}
HEAD = "inputs: {text: {type: string}}\noutputs: {out: {type: string, reference: '${a.output}'}}\nnodes:\n"


def metadata() -> dict[str, dict[str, object]]:
    found: dict[str, dict[str, object]] = {}
    for identity, (function, inputs) in METADATA.items():
        typed = {name: {"type": kind, "default": "unused"} for name, kind in inputs.items()}
        found[identity] = {"name": identity.title(), "module": "packed_tools", "function": function, "inputs": typed}
    found["p.own"]["inputs"]["connection"]["custom_type"] = ["Own"]  # type: ignore[index]
    found["p.Greeter.greet"] = {
        "name": "A Greeter", "module": "packed_tools", "class_name": "Greeter", "function": "greet",
        "inputs": {"greeting": {"type": ["string"]}, "text": {"type": "string"}}, "deprecated_tools": ["old.greet"],
    }  # fmt: skip
    return found


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Install:
    site = tmp_path / "site"
    monkeypatch.syspath_prepend(str(site))

    def put(name: str, listing: str, **modules: str) -> None:
        meta = site / f"{name}-1.0.dist-info"
        meta.mkdir(parents=True)
        (meta / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        (meta / "entry_points.txt").write_text(f"[package_tools]\n{name} = {name}_list:tools\n")
        for module, text in {f"{name}_list": listing, **modules}.items():
            (site / f"{module}.py").write_text(text)

    return put


@pytest.fixture
def packed(install: Install) -> None:
    install("packed", f"def tools():\n    return {metadata()!r}\n", packed_tools=TOOLS)


def node(tool: str, inputs: str, kind: str = "python", source: str = "package") -> str:
    path = ", path: a.jinja2" if kind == "custom_llm" else ""
    text = f"- {{name: a, type: {kind}, source: {{type: {source}, tool: {tool}{path}}}, inputs: {{{inputs}}}}}\n"
    return HEAD + text


def call(plan: Plan) -> object:
    """What the step gives for the text ``hi``."""
    [step], frame = plan.steps, plan.new_frame()
    frame[0] = "hi"
    return step.function(**{one.name: frame[one.value.slot] for one in step.arguments})


@pytest.mark.usefixtures("packed")
def test_metadata_say_what_literals_become_and_their_defaults_are_not_used(flows: Flows) -> None:
    plan = flows.compile({"flow.dag.yaml": node("p.echo", "text: '[1]', extra: 3, other: '7'")})
    assert call(plan) == [[1], "9", {"extra": 3.0, "other": "7"}]
    assert plan.steps[0].lane is Lane.THREAD


@pytest.mark.usefixtures("packed")
def test_an_async_tool_runs_on_the_loop(flows: Flows) -> None:
    plan = flows.compile({"flow.dag.yaml": node("p.later", "text: '${inputs.text}'")})
    assert plan.steps[0].is_async
    assert plan.steps[0].lane is Lane.LOOP


@pytest.mark.usefixtures("packed")
def test_a_tool_that_streams_is_told_by_the_request(flows: Flows) -> None:
    plan = flows.compile({"flow.dag.yaml": node("p.stream", "text: '${inputs.text}'")})
    assert plan.streaming is not None
    assert {one.name for one in plan.steps[0].arguments} == {"text", "stream"}


@pytest.mark.usefixtures("packed")
@pytest.mark.parametrize("identity", ["p.Greeter.greet", "old.greet"])
def test_a_class_is_made_once_from_literals_also_under_an_old_id(flows: Flows, identity: str) -> None:
    plan = flows.compile({"flow.dag.yaml": node(identity, "greeting: Hello, text: '${inputs.text}'")})
    assert call(plan) == "Hellonobodyhi"


@pytest.mark.usefixtures("packed")
def test_a_connection_of_the_tools_own_class(flows: Flows) -> None:
    plan = flows.compile({"flow.dag.yaml": node("p.own", "connection: custom")}, connections=connections())
    assert call(plan) == "here"


@pytest.mark.usefixtures("packed")
def test_a_custom_llm_tool_gets_the_text_of_its_template_and_what_strangers_wrote(flows: Flows) -> None:
    text = node("p.ask", "connection: custom, heat: 2, who: '${inputs.text}'", "custom_llm", "package_with_prompt")
    plan = flows.compile({"flow.dag.yaml": text, "a.jinja2": "Hi {{who}}"}, connections=connections())
    assert call(plan) == ["PromptTemplate", "Hi {{who}}", 2.0, {"who": "hi", "_inputs_to_escape": ["who"]}]


@pytest.mark.usefixtures("packed")
def test_a_custom_llm_tool_without_open_parameters_is_not_told_of_strangers(flows: Flows) -> None:
    text = node("p.plain", "name: '${inputs.text}'", "custom_llm", "package_with_prompt")
    assert call(flows.compile({"flow.dag.yaml": text, "a.jinja2": "Hi"})) == ["Hi", "hi"]


@pytest.mark.usefixtures("packed")
def test_a_literal_for_an_image_of_the_template_becomes_one(flows: Flows) -> None:
    png = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
    text = node("p.ask", f"connection: custom, seen: {png}", "custom_llm", "package_with_prompt")
    plan = flows.compile({"flow.dag.yaml": text, "a.jinja2": "![image]({{ seen }})"}, connections=connections())
    assert str(call(plan)[3]["seen"]).startswith("Image(")  # type: ignore[index]


MISTAKES = {
    "a tool that nobody has": (
        node("p.nowhere", ""),
        "node 'a': Package tool 'p.nowhere' is not found in the current environment. "
        "All available package tools are: [].",
    ),
    "a function that is not there": (
        node("p.gone", ""),
        "node 'a': Package tool 'p.gone' cannot be used: AttributeError: module 'packed_tools' has no attribute "
        "'nowhere'",
    ),
    "a type that nobody knows": (
        node("p.odd", "text: x"),
        "Input 'text' for node 'a': Unresolved input type 'no_such_type', please check if it is supported in current "
        "version.",
    ),
    "a literal of another type": (
        node("p.echo", "times: many"),
        "Input 'times' for node 'a' of value 'many' is not type int.",
    ),
    "a reference for a constructor": (
        node("p.Greeter.greet", "greeting: '${inputs.text}', text: x"),
        "Invalid input for 'A Greeter': Initialization input 'greeting' requires a literal value, but ${inputs.text} "
        "was received. (node 'a')",
    ),
    "a constructor without what it needs": (
        node("p.Greeter.greet", "text: x"),
        "node 'a': Required inputs ['greeting'] are not provided for tool 'A Greeter'.",
    ),
    "a constructor that fails": (
        node("p.Greeter.greet", "greeting: x, name: 5, text: x"),
        "node 'a': Failed to load package tool 'A Greeter': (TypeError) can only concatenate str (not \"int\") to str",
    ),
    "a custom_llm tool without a template": (
        node("p.promptless", "", "custom_llm", "package_with_prompt"),
        "node 'a': Invalid Custom LLM tool P.Promptless: function promptless is missing a prompt template argument.",
    ),
    "a source that does not go with the type": (
        node("p.echo", "", "custom_llm", "package"),
        "node 'a': Tool source type package for custom_llm tool is not supported yet.",
    ),
}


@pytest.mark.usefixtures("packed")
@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake(flows: Flows, name: str) -> None:
    text, expected = MISTAKES[name]
    [told] = flows.mistakes({"flow.dag.yaml": text, "a.jinja2": "Hi"}, connections=connections())
    assert told.partition(": ")[2] == expected


@pytest.mark.usefixtures("packed")
def test_a_template_may_not_use_the_names_of_the_tools_inputs(flows: Flows) -> None:
    text = node("p.ask", "connection: custom", "custom_llm", "package_with_prompt")
    files = {"flow.dag.yaml": text, "a.jinja2": "{{heat}}"}
    [told] = flows.mistakes(files, connections=connections())
    expected = "Invalid inputs {'heat'} in prompt template of node a. These inputs are duplicated with the inputs of"
    assert f"{expected} custom llm tool." in told


def test_a_package_that_lacks_a_module_is_named_with_what_to_install(flows: Flows, install: Install) -> None:
    listing = "def tools():\n    return {'q.tool': {'module': 'q_tools', 'function': 'f', 'inputs': {}}}\n"
    install("quick", listing, q_tools="import yaml_of_nobody\n")
    [told] = flows.mistakes({"flow.dag.yaml": node("q.tool", "")})
    assert told.endswith(
        "All available package tools are: []. Failed to load tool q.tool from package quick: ModuleNotFoundError: "
        "No module named 'yaml_of_nobody' (pip install yaml_of_nobody)"
    )


@pytest.mark.usefixtures("packed")
@pytest.mark.parametrize("listing", ["raise SystemExit", "import nowhere_at_all", "def tools():\n    return None"])
def test_a_broken_package_does_not_keep_others_from_working(flows: Flows, install: Install, listing: str) -> None:
    install("broken", listing)
    plan = flows.compile({"flow.dag.yaml": node("p.echo", "text: x")})
    assert call(plan) == ["x", "9", {}]
    assert "Failed to load tools from package broken: " in plan.warnings[0]


@pytest.mark.usefixtures("packed")
def test_only_what_is_needed_is_imported(flows: Flows, install: Install) -> None:
    listing = "def tools():\n    return {'r.tool': {'module': 'r_tools', 'function': 'f', 'inputs': {}}}\n"
    install("rare", listing, r_tools="raise RuntimeError\n")
    assert not flows.compile({"flow.dag.yaml": node("p.echo", "text: x")}).warnings
    assert "r_tools" not in sys.modules


@pytest.mark.usefixtures("packed")
def test_two_tools_in_the_place_of_one_are_a_mistake(flows: Flows, install: Install) -> None:
    described = {"module": "packed_tools", "function": "echo", "inputs": {}, "deprecated_tools": ["old.greet"]}
    install("second", f"def tools():\n    return {{'s.greet': {described}}}\n")
    [told] = flows.mistakes({"flow.dag.yaml": node("old.greet", "greeting: x")})
    assert "are both linked to the deprecated tool ID 'old.greet'" in told


def test_the_class_that_a_connection_names_goes_first(flows: Flows, install: Install) -> None:
    from pfserve.connections import Connections, Form, Sources

    install("packed", f"def tools():\n    return {metadata()!r}\n", packed_tools=TOOLS, other="from house import "
            "CustomStrongTypeConnection\nclass Other(CustomStrongTypeConnection):\n    place: str\n    "
            "@property\n    def upper(self): return self.place.upper()\n")  # fmt: skip
    value = {"place": "here", "promptflow.connection.module": "other", "promptflow.connection.custom_type": "Other"}
    given = Connections(Sources({"custom": Form("CustomConnection", value, frozenset(), "a test")}))
    plan = flows.compile({"flow.dag.yaml": node("p.own", "connection: custom")}, connections=given)
    assert type(plan.literals[0]).__name__ == "Other"
