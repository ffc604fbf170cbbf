"""Definitions of assistants: their tools loaded, described and bound (contract 3.11)."""

from __future__ import annotations

import dataclasses
import inspect

import pytest

from pfserve.compiler.docstring import described
from pfserve.plan import Plan
from pfserve.values.assistant import AssistantDefinition, AssistantToolInvoker
from unit.compiler.conftest import Flows, connections

FLOW = """outputs: {out: {type: string, reference: '${a.output}'}}
nodes:
- {name: a, type: python, source: {path: a.py}, inputs: {helper: helper.yaml}}
"""
NODE = """from house import tool
class AssistantDefinition: pass
@tool
def a(helper: AssistantDefinition):
    return helper
"""
WEIGH = '''from enum import Enum
from house import tool, CustomConnection, ToolProvider

class Unit(str, Enum):
    GRAM = "g"
    POUND = "lb"

@tool
def weigh(connection: CustomConnection, things: list, unit: Unit, limit: float = 2, exact=False, odd: dict = None):
    """Weigh things.

    :param things: what to weigh
    :param unit: in which unit
    """
    return [connection.place, things, unit, limit]
'''
GREET = '''from house import tool, ToolProvider

class Greeter(ToolProvider):
    def __init__(self, greeting: str):
        self.greeting = greeting

    @tool
    async def greet(self, name: str):
        """Greet.

        Args:
            name (str): whom
        """
        return self.greeting + name
'''
DEFINITION = """model: gpt
instructions: Be kind.
tools:
- type: function
  tool_type: python
  source: {type: code, path: tools/weigh.py}
  predefined_inputs: {connection: custom, limit: '3'}
- {type: code_interpreter}
- {type: function, tool_type: python, source: {path: greet.py}, predefined_inputs: {greeting: 'Hi '}}
"""
FILES = {"flow.dag.yaml": FLOW, "a.py": NODE, "helper.yaml": DEFINITION, "tools/weigh.py": WEIGH, "greet.py": GREET}


def assistant(plan: Plan) -> AssistantDefinition:
    [value] = plan.literals
    assert isinstance(value, AssistantDefinition)
    return value


@pytest.fixture
def helper(flows: Flows) -> AssistantDefinition:
    return assistant(flows.compile(FILES, connections=connections()))


def invoker(definition: AssistantDefinition) -> AssistantToolInvoker:
    assert definition._tool_invoker is not None
    return definition._tool_invoker


def test_the_definition_is_what_the_file_says(helper: AssistantDefinition) -> None:
    assert (helper.model, helper.instructions) == ("gpt", "Be kind.")
    assert [tool["type"] for tool in helper.tools] == ["function", "code_interpreter", "function"]
    assert dataclasses.asdict(helper) == helper.serialize()


def test_tools_are_told_in_their_order_and_without_what_is_predefined(helper: AssistantDefinition) -> None:
    weigh, interpreter, greet = invoker(helper).to_openai_tools()
    assert interpreter == {"type": "code_interpreter"}
    assert weigh["function"] == {
        "name": "weigh",
        "description": "Weigh things.\n",
        "parameters": {
            "type": "object",
            "properties": {
                "things": {"type": "array", "description": "what to weigh"},
                "unit": {"type": "string", "description": "in which unit", "enum": ["g", "lb"]},
                "exact": {"type": "boolean", "description": ""},
                "odd": {"type": "object", "description": ""},
            },
            "required": ["things", "unit"],
        },
    }
    assert greet["function"]["parameters"] == {  # type: ignore[index]
        "type": "object",
        "properties": {"name": {"type": "string", "description": "whom"}},
        "required": ["name"],
    }


def test_functions_get_what_is_predefined(helper: AssistantDefinition) -> None:
    given = {"things": [1], "unit": "g"}
    assert invoker(helper).invoke_tool("weigh", given) == ["here", [1], "g", 3.0]


def test_an_async_method_of_a_class_gives_its_coroutine(helper: AssistantDefinition) -> None:
    coroutine = invoker(helper).invoke_tool("greet", {"name": "you"})
    assert inspect.iscoroutine(coroutine)
    with pytest.raises(StopIteration, match="Hi you"):
        coroutine.send(None)


def test_what_the_service_runs_cannot_be_called(helper: AssistantDefinition) -> None:
    with pytest.raises(TypeError):
        invoker(helper).invoke_tool("code_interpreter", {})
    with pytest.raises(KeyError):
        invoker(helper).invoke_tool("nobody", {})


def test_an_assistant_without_tools(flows: Flows) -> None:
    definition = assistant(flows.compile(FILES | {"helper.yaml": "model: gpt\n"}))
    assert invoker(definition).to_openai_tools() == []
    assert definition.instructions == ""


SURE = "Please make sure the assistant definition is correct."
MISTAKES = {
    "another kind": (
        "{type: browser}",
        "Unsupported assistant tool's type in node a : browser. Please make sure the type is restricted within "
        "['code_interpreter', 'function', 'retrieval'].",
    ),
    "no type": ("{}", "Unsupported assistant tool's type in node a : None. Please make sure the type is restricted "
                "within ['code_interpreter', 'function', 'retrieval']."),
    "no tool type": (
        "{type: function, source: {path: greet.py}}",
        f"The 'tool_type' property is missing or invalid in assistant node 'a'. {SURE}",
    ),
    "another tool type": (
        "{type: function, tool_type: llm, source: {path: greet.py}}",
        f"Tool type 'llm' is not supported in assistant node 'a'. {SURE}",
    ),
    "no source": (
        "{type: function, tool_type: python}",
        f"The 'source' property is missing in the assistant node 'a'. {SURE}",
    ),
    "a source that is a text": (
        "{type: function, tool_type: python, source: greet.py}",
        "The 'source' definition is not valid in the assistant node 'a'. Please make sure the assistant definition is "
        "correct and deserializable.",
    ),
    "another source": (
        "{type: function, tool_type: python, source: {type: package_with_prompt, path: greet.py}}",
        f"Tool source type 'package_with_prompt' is not supported in assistant node 'a'. {SURE}",
    ),
    "no path": (
        "{type: function, tool_type: python, source: {type: code}}",
        f"The 'path' property is missing in 'source' of the assistant python tool in node 'a'. {SURE}",
    ),
    "no file": (
        "{type: function, tool_type: python, source: {path: nowhere.py}}",
        "Load tool failed for node 'a'. Tool file 'nowhere.py' can not be found.",
    ),
    "no id": (
        "{type: function, tool_type: python, source: {type: package}}",
        f"The 'tool' property is missing in 'source' of the assistant package tool in node 'a'. {SURE}",
    ),
    "no such package": (
        "{type: function, tool_type: python, source: {type: package, tool: x.y}}",
        "node 'a': Package tool 'x.y' is not found in the current environment. All available package tools are: [].",
    ),
    "no literal": (
        "{type: function, tool_type: python, source: {path: a.py}, predefined_inputs: {name: '${b}'}}",
        "the predefined input 'name' requires a literal value, but ${b} was received",
    ),
    "a constructor without what it needs": (
        "{type: function, tool_type: python, source: {path: greet.py}}",
        "node 'a': Required inputs ['greeting'] are not provided for tool 'Greeter.greet'.",
    ),
    "inputs that are a list": (
        "{type: function, tool_type: python, source: {path: greet.py}, predefined_inputs: [x]}",
        "'predefined_inputs' of an assistant's tool must be a mapping",
    ),
    "a text": ("browser", "a tool of the assistant of node 'a' must be a mapping"),
    "itself": (
        "{type: function, tool_type: python, source: {path: a.py}, predefined_inputs: {helper: helper.yaml}}",
        "Input 'helper' for node 'a' of value 'helper.yaml' is the definition of an assistant that needs itself",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_in_a_tool(flows: Flows, name: str) -> None:
    entry, expected = MISTAKES[name]
    files = FILES | {"helper.yaml": f"tools:\n- {entry}\n"}
    assert flows.mistakes(files) == [f"helper.yaml:2: {expected}"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[1]", "helper.yaml: the definition of an assistant is a mapping"),
        ("tools: 1", "helper.yaml:1: 'tools' of an assistant must be a list"),
        ("a: {a: 1, a: 2}", "helper.yaml:1: the key 'a' stands here again, first on line 1"),
    ],
)  # fmt: skip
def test_a_file_that_is_no_definition(flows: Flows, text: str, expected: str) -> None:
    assert flows.mistakes(FILES | {"helper.yaml": text}) == [expected]


def test_all_mistakes_of_a_definition_are_told_at_once(flows: Flows) -> None:
    files = FILES | {"helper.yaml": "tools:\n- {type: x}\n- {type: y}\n"}
    assert len(flows.mistakes(files)) == 2


@pytest.mark.parametrize(
    "text",
    [
        "Weigh.\n\n:param x: what\n",
        "Weigh.\n\nArgs:\n    x: what\n",
        "Weigh.\n\nParameters\n----------\nx : int\n    what\n",
    ],
    ids=["reST", "Google", "NumPy"],
)
def test_docstrings_of_the_usual_styles(text: str) -> None:
    def function() -> None:
        pass

    function.__doc__ = text
    description, parameters = described(function)
    assert (str(description).strip(), parameters) == ("Weigh.", {"x": "what"})


def test_a_function_that_says_nothing() -> None:
    assert described(lambda: None) == ("", {})
