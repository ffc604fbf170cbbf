"""Tools that are more than a function: generators, methods of classes, takers of connections."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING

import pytest

from pfserve.plan import Lane, explain
from unit.compiler.conftest import connections

if TYPE_CHECKING:
    from conftest import Flows

FLOW = """inputs:
  text: {type: string}
outputs:
  out: {type: string, reference: "${a.output}"}
nodes:
- name: a
  type: python
  source: {type: code, path: a.py}
  inputs: {%s}
"""
IMPORTS = (
    "from typing import Optional, Union\nfrom house import tool, ToolProvider, CustomConnection\n"
    "from house import CustomStrongTypeConnection, OpenAIConnection\n"
)


def files(code: str, inputs: str = "text: '${inputs.text}'") -> dict[str, str]:
    return {"flow.dag.yaml": FLOW % inputs, "a.py": IMPORTS + code}


def test_a_generator_is_called_on_a_thread_and_an_async_one_on_the_loop(flows: Flows) -> None:
    [step] = flows.compile(files("@tool\ndef a(text):\n    yield text\n")).steps
    assert (step.lane, step.is_async) == (Lane.THREAD, False)
    assert inspect.isgenerator(step.function(text="x"))
    [step] = flows.compile(files("@tool\nasync def a(text):\n    yield text\n")).steps
    assert (step.lane, step.is_async) == (Lane.LOOP, False)
    assert inspect.isasyncgen(step.function(text="x"))


CLASS = """class Tool(ToolProvider):
    made = 0
    def __init__(self, n: int, s='x', c: OpenAIConnection = None):
        type(self).made += 1
        self.n, self.s, self.c = n, s, c
    @tool
    def call(self, text: str, more=1):
        return [text, self.n, self.s, type(self.c).__name__, self.made]
"""


def test_a_method_belongs_to_one_instance_made_of_literals(flows: Flows) -> None:
    plan = flows.compile(files(CLASS, "text: '${inputs.text}', n: '3', c: openai"), connections=connections())
    [step] = plan.steps
    assert [one.name for one in step.arguments] == ["text"]
    assert plan.literals == ()
    assert step.function(text="t") == step.function(text="t") == ["t", 3, "x", "OpenAIConnection", 1]


@pytest.mark.parametrize("kind", ["async def", "def"])
def test_a_static_or_async_method_will_do(flows: Flows, kind: str) -> None:
    code = f"class Tool(ToolProvider):\n    @staticmethod\n    @tool\n    {kind} call(text):\n        return text\n"
    [step] = flows.compile(files(code)).steps
    assert step.is_async == (kind == "async def")
    assert [one.name for one in step.arguments] == ["text"]


def test_an_inherited_method_counts(flows: Flows) -> None:
    code = "import base\nclass Tool(base.Base):\n    pass\n"
    base = IMPORTS + "class Base(ToolProvider):\n    @tool\n    def call(self, text):\n        return text\n"
    assert flows.compile(files(code) | {"base.py": base}).steps[0].function(text="t") == "t"


ONE = "Please make sure you have one and only one tool definition in your script."
CLASS_MISTAKES = {
    "a reference for the constructor": (
        CLASS,
        "text: x, n: '${inputs.text}'",
        "flow.dag.yaml:9: Invalid input for 'Tool.call': Initialization input 'n' requires a literal value, "
        "but ${inputs.text} was received. (node 'a')",
    ),
    "nothing for the constructor": (
        CLASS,
        "text: x",
        "flow.dag.yaml:6: node 'a': Required inputs ['n'] are not provided for tool 'Tool.call'.",
    ),
    "a literal that does not fit": (
        CLASS,
        "text: x, n: many",
        "flow.dag.yaml:9: Input 'n' for node 'a' of value 'many' is not type int.",
    ),
    "the constructor fails": (
        CLASS.replace("type(self).made += 1", "1 / 0"),
        "text: x, n: 1",
        "flow.dag.yaml:8: node 'a': Failed to load package tool 'Tool.call': (ZeroDivisionError) division by zero",
    ),
    "two methods": (
        CLASS + "    @tool\n    def other(self):\n        pass\n",
        "text: x, n: 1",
        f"a.py: Expected 1 but collected 2 tools: Tool.call, Tool.other. {ONE}",
    ),
    "the same name twice": (
        CLASS.replace("more=1", "n=1"),
        "text: x, n: 1",
        "a.py:9: Duplicate inputs found from 'call' and \"__init__()\"! Both take: n",
    ),
}


@pytest.mark.parametrize("name", CLASS_MISTAKES)
def test_a_mistake_with_a_class(flows: Flows, name: str) -> None:
    code, inputs, expected = CLASS_MISTAKES[name]
    assert flows.mistakes(files(code, inputs)) == [expected]


MINE = "class Mine(CustomStrongTypeConnection):\n    key: Secret\n    place: str\nclass Secret(str):\n    pass\n"
MINE = "class Secret(str):\n    pass\n" + MINE.partition("class Secret")[0]
TAKEN = {
    "c: OpenAIConnection": ("openai", "OpenAIConnection"),
    "c: Optional[OpenAIConnection] = None": ("openai", "OpenAIConnection"),
    "c: Union[CustomConnection, OpenAIConnection]": ("openai", "OpenAIConnection"),
    "c: CustomConnection": ("custom", "CustomConnection"),
    "c: Mine": ("custom", "Mine"),
    "c: Optional[Mine] = None": ("custom", "Mine"),
    # no connection to promptflow
    "c: Union[OpenAIConnection, str]": ("openai", "str"),
    "c: OpenAIConnection | None": ("openai", "str"),
    "c: 'OpenAIConnection'": ("openai", "str"),
    "c: FooConnection": ("openai", "str"),
    "**c": ("openai", "str"),
}


@pytest.mark.parametrize("parameter", TAKEN)
def test_a_name_becomes_a_connection_by_the_annotation(flows: Flows, parameter: str) -> None:
    name, expected = TAKEN[parameter]
    code = f"{MINE}class FooConnection(OpenAIConnection):\n    pass\n@tool\ndef a({parameter}):\n    pass\n"
    plan = flows.compile(files(code, f"c: {name}"), connections=connections())
    assert type(plan.literals[0]).__name__ == expected
    assert "s3cret" not in explain(plan)


def test_a_strong_connection_has_the_values(flows: Flows) -> None:
    plan = flows.compile(files(MINE + "@tool\ndef a(c: Mine):\n    pass\n", "c: custom"), connections=connections())
    assert (plan.literals[0].key, plan.literals[0].place) == ("s3cret", "here")  # type: ignore[attr-defined]


CONNECTION_MISTAKES = {
    "another class": (
        "c: OpenAIConnection",
        "azure",
        "Input 'c' for node 'a' of type 'AzureOpenAIConnection' is not supported, valid types ['OpenAIConnection'].",
    ),
    "no custom one for a strong one": (
        "c: Mine",
        "openai",
        "Input 'c' for node 'a' of type 'OpenAIConnection' is not supported, valid types ['CustomConnection'].",
    ),
    "a value is not there": (
        "c: More",
        "custom",
        "connection 'custom' for node 'a' lacks 'port', which the class More needs",
    ),
}


@pytest.mark.parametrize("name", CONNECTION_MISTAKES)
def test_a_connection_that_will_not_do(flows: Flows, name: str) -> None:
    parameter, connection, expected = CONNECTION_MISTAKES[name]
    code = f"{MINE}class More(Mine):\n    port: str\n@tool\ndef a({parameter}):\n    pass\n"
    assert flows.mistakes(files(code, f"c: {connection}"), connections=connections()) == [
        f"flow.dag.yaml:9: {expected}"
    ]
