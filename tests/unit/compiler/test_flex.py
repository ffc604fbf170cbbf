"""Flex flows: what the compiler makes of an entry (contract 4.1)."""

from __future__ import annotations

import json

import pytest

from pfserve.connections import Connections, Sources
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
