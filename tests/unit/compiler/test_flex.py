"""Flex flows: what the compiler makes of an entry (contract 4.1)."""

from __future__ import annotations

import json

import pytest

from pfserve.connections import Connections, Sources
from pfserve.errors import CompileError, UserError
from pfserve.execution.frame import frame_maker
from pfserve.plan import ABSENT, Lane, Plan
from unit.compiler.conftest import Flows, connections


def flow(code: str, yaml: str = "", entry: str = "entry:f") -> dict[str, str]:
    return {"flow.flex.yaml": f"entry: {entry}\n{yaml}", "entry.py": code}


def swagger_of(plan: Plan) -> dict[str, object]:
    schema = json.loads(plan.swagger)["paths"]["/score"]["post"]
    content = schema["requestBody"]["content"]["application/json"]["schema"]
    answer = schema["responses"]["200"]["content"]["application/json"]["schema"]
    return {"in": content.get("properties"), "out": answer.get("properties")}


def test_the_signature_says_the_inputs(flows: Flows) -> None:
    plan = flows.compile(
        flow("def f(a: str, b: int, c, d: float = 1.5, e=None, g: bool = True, h: list = [], i: dict = {}, **more): 0")
    )
    assert [(one.name, one.type, one.required, one.default) for one in plan.inputs] == [
        ("a", "string", True, None),
        ("b", "int", True, None),
        ("c", "object", True, None),
        ("d", "double", False, ABSENT),
        ("e", "object", False, ABSENT),
        ("g", "bool", False, ABSENT),
        ("h", "list", False, ABSENT),
        ("i", "object", False, ABSENT),
    ]
    told = swagger_of(plan)["in"]
    assert isinstance(told, dict)
    defaults = {name: one.get("default") for name, one in told.items()}
    assert {name: text for name, text in defaults.items() if text} == {"d": "1.5", "g": "True", "h": "[]", "i": "{}"}
    assert plan.kind == "flex"
    assert plan.message_format == "basic"


@pytest.mark.parametrize(
    ("code", "lane", "is_async"),
    [
        ("def f(): 0", Lane.THREAD, False),
        ("def f(): yield 0", Lane.THREAD, False),
        ("async def f(): 0", Lane.LOOP, True),
        ("async def f(): yield 0", Lane.LOOP, False),
    ],
)
def test_the_kind_of_function_says_the_lane(flows: Flows, code: str, lane: Lane, is_async: bool) -> None:
    plan = flows.compile(flow(code))
    [step] = plan.steps
    assert (step.lane, step.is_async, plan.width) == (lane, is_async, int(lane is Lane.THREAD))


def test_an_object_is_made_later_and_only_once_per_call(flows: Flows) -> None:
    code = """
made = []
class F:
    def __init__(self, model: str, size: int = 3):
        made.append((model, size))
        self.model = model
    def __call__(self, text: str) -> str:
        return self.model + text
"""
    plan = flows.compile(flow(code, "init:\n  size: {type: int, default: 5}\n", "entry:F"), init={"model": "m"})
    [step] = plan.steps
    made = step.function.__globals__["made"]  # type: ignore[attr-defined]
    assert made == []
    assert step.construct is not None
    assert step.construct()(text="x") == "mx"
    assert made == [("m", 5)]
    assert step.name == "F.__call__"
    assert [one.name for one in plan.inputs] == ["text"]


def test_connections_and_models_are_put_in_place_of_their_names(flows: Flows) -> None:
    code = """
from house import CustomConnection
class OpenAIModelConfiguration:
    def __init__(self, model, api_key=None, connection=None):
        self.model, self.api_key, self.connection = model, api_key, connection
    @classmethod
    def from_connection(cls, connection, model):
        return cls(model, connection.api_key)
class F:
    def __init__(self, own: CustomConnection, model: OpenAIModelConfiguration):
        self.own, self.model = own, model
    def __call__(self): return [self.own.place, self.model.model, self.model.api_key]
"""
    init = {"own": "custom", "model": {"model": "gpt", "connection": "openai"}}
    [step] = flows.compile(flow(code, entry="entry:F"), init=init, connections=connections()).steps
    assert step.construct is not None
    assert step.construct()() == ["here", "gpt", "s3cret"]


def test_a_connection_that_nobody_gave_is_stood_in_for_by_one_of_the_annotated_class(flows: Flows) -> None:
    code = """
from house import OpenAIConnection

class F:
    def __init__(self, connection: OpenAIConnection):
        self.connection = connection
    def __call__(self, text: str) -> str:
        return type(self.connection).__name__
"""
    asked: list[str] = []

    def stand_in(kind: str) -> dict[str, object]:
        asked.append(kind)
        return {"type": kind, "value": {"api_key": "stub"}, "secret_keys": ["api_key"]}

    given = Connections(Sources(forms={}, stand_in=stand_in))
    flows.compile(flow(code, entry="entry:F"), init={"connection": "nobody's"}, connections=given)
    assert asked == ["OpenAIConnection"]


def test_inputs_of_the_file_that_clients_must_give(flows: Flows) -> None:
    yaml = """inputs:
  a: {type: int}
  b: {type: int, default: text}
  c: {type: int, default: "5"}
  d: {type: int, default: ""}
"""
    plan = flows.compile(flow("def f(a=1, b=2, c=3, d=4): return [a, b, c, d]", yaml))
    assert [one.default for one in plan.inputs] == [ABSENT, ABSENT, 5, ABSENT]
    assert not any(one.required for one in plan.inputs)
    make_frame = frame_maker(plan)
    assert make_frame({"a": "0", "b": 0})[:4] == [0, 0, 5, ABSENT]
    with pytest.raises(UserError, match="The value for flow input 'a' is not provided in input data"):
        make_frame({"b": 0, "c": 5})
    with pytest.raises(UserError, match="The value for flow input 'b' does not match the expected type 'int'"):
        make_frame({"a": 0, "c": 5})
    assert len(plan.warnings) == 1


def test_an_input_of_the_file_that_is_no_parameter_is_warned_of(flows: Flows) -> None:
    plan = flows.compile(flow("def f(text='a'): return text", "inputs: {txet: {type: string}}\n"))
    [warning] = plan.warnings
    assert warning.endswith("every request is answered with 400; did you mean 'text'?")
    for values in ({}, {"text": "b"}, {"txet": "b"}):
        with pytest.raises(UserError, match="The value for flow input 'txet' is not provided in input data"):
            frame_maker(plan)(values)


UNSERVABLE = {
    "no module": ("", "nope:f", "Failed to load python module 'nope': fails on import: ModuleNotFoundError"),
    "no name": (
        "def fn(): 0",
        "entry:f",
        "Failed to collect flow entry 'entry:f' in module 'entry'; did you mean 'fn'?",
    ),
    "no colon": ("def f(): 0", "entry", "Invalid entry 'entry'.The entry should be in the format of"),
    "no call": ("class F: pass", "entry:F", "Python class entry 'F' does not have __call__ method."),
    "complex": ("def f(a: set): 0", "entry:f", "The input 'a' is of a complex python type. Please use a dict instead."),
    "returns": ("def f() -> int: 0", "entry:f", "must be dataclass, TypedDict or string, but got <class 'int'>."),
    "connection": (
        "from house import CustomConnection\ndef f(c: CustomConnection): 0",
        "entry:f",
        "the input 'c' of 'f' is a connection, which no request can give",
    ),
    "aggregate": (
        "class F:\n    def __call__(self): 0\n    def __aggregate__(self, a, b): 0",
        "entry:F",
        "The __aggregate__ method should have only one parameter.",
    ),
    "exits": ("raise SystemExit(3)", "entry:f", "calls sys.exit on import (exit code 3)"),
}


@pytest.mark.parametrize(("code", "entry", "message"), UNSERVABLE.values(), ids=UNSERVABLE.keys())
def test_what_cannot_be_served_is_told_with_its_place(flows: Flows, code: str, entry: str, message: str) -> None:
    [mistake] = flows.mistakes(flow(code, entry=entry))
    assert message in mistake
    assert mistake.startswith(("flow.flex.yaml:1: ", "entry.py:"))


@pytest.mark.parametrize("method", ["(self, a)", "(results)", "(cls, results)"])
def test_an_aggregation_of_one_parameter_is_fine(flows: Flows, method: str) -> None:
    mark = {"(results)": "@staticmethod", "(cls, results)": "@classmethod"}.get(method, "")
    code = f"class F:\n    def __call__(self): 0\n    {mark}\n    def __aggregate__{method}: 0"
    assert not flows.mistakes(flow(code, entry="entry:F"))


def test_a_model_that_cannot_be_made_is_told_without_its_values(flows: Flows) -> None:
    code = """
class OpenAIModelConfiguration:
    def __init__(self, model):
        raise ValueError("no such " + model)
class F:
    def __init__(self, model: OpenAIModelConfiguration): 0
    def __call__(self): 0
"""
    [mistake] = flows.mistakes(flow(code, entry="entry:F"), init={"model": {"model": "s3cret"}})
    assert mistake == "flow.flex.yaml:1: init parameter 'model': (ValueError) no such <value of 'model'>"


def test_a_constructor_that_fails_is_told_without_its_values(flows: Flows) -> None:
    code = """
from house import CustomConnection
class F:
    def __init__(self, own: CustomConnection, size: int):
        raise ValueError(f"{own.key} {own.configs} {size}")
    def __call__(self): 0
"""
    [step] = flows.compile(
        flow(code, entry="entry:F"), init={"own": "custom", "size": 47110}, connections=connections()
    ).steps
    assert step.construct is not None
    with pytest.raises(CompileError) as failed:
        step.construct()
    assert "with the init arguments 'own', 'size'" in str(failed.value)
    assert not any(secret in str(failed.value) for secret in ("s3cret", "here", "47110"))


def test_arguments_for_a_function_are_warned_of(flows: Flows) -> None:
    plan = flows.compile(flow("def f(): 0"), init={"key": "s3cret"})
    assert list(plan.warnings) == ["flow.flex.yaml:1: the entry is a function: nobody takes the init arguments key"]


def test_without_parameters_the_files_inputs_are_told(flows: Flows) -> None:
    yaml = """inputs:
  q: {type: string, is_chat_input: true}
outputs:
  a: {type: string, is_chat_output: true}
"""
    plan = flows.compile(flow("def f(): return {'a': 1}", yaml))
    assert [one.name for one in plan.inputs] == ["q"]
    info = json.loads(plan.swagger)["info"]
    assert (info["x-flow-type"], info["x-chat-input"], info["x-chat-output"]) == ("chat", "q", "a")


def test_a_dataclass_says_the_outputs_and_hidden_ones_are_left_out(flows: Flows) -> None:
    code = """
from dataclasses import dataclass
@dataclass
class Answer:
    text: str
    more: dict
def f() -> Answer: 0
"""
    plan = flows.compile(flow(code), included_outputs=("text",))
    out = swagger_of(plan)["out"]
    assert out == {"text": {"type": "string"}}
    assert plan.returned is not None
    assert plan.returned.hidden == {"more"}


def test_modules_are_looked_for_in_the_folder_that_code_names(flows: Flows) -> None:
    files = {"src/entry.py": "def f(a): 0", "src/beside.py": ""}
    plan = flows.compile({"flow.flex.yaml": "code: src\nentry: entry:f\n", **files})
    assert [one.name for one in plan.inputs] == ["a"]


def test_a_module_of_a_name_that_is_taken_is_told(flows: Flows) -> None:
    [mistake] = flows.mistakes({"flow.flex.yaml": "entry: json:f\n", "json.py": "def f(): 0"})
    assert mistake.endswith("json/__init__.py; give json.py another name")
