"""Which nodes a request can ask for a stream, and how they are told."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pfserve.plan import Plan, explain

if TYPE_CHECKING:
    from conftest import Flows

A = "- {name: a, type: python, source: {path: a.py}, inputs: {x: '${inputs.text}'%s}}\n"
READER = "- {name: b, type: python, source: {path: b.py}%s, inputs: {x: '${a.output}'}}\n"
GUARD = "- {name: b, type: python, source: {path: b.py}, activate: {when: '${a.output}', is: 1}, inputs: {x: 1}}\n"
CODE = "from house import streaming\n@streaming\ndef a(x, stream=None):\n    return x\n"
PLAIN = "from house import tool\n@tool\ndef b(x):\n    return x\n"


def compiled(flows: Flows, nodes: str, reference: str = "a.output", code: str = CODE, **options: object) -> Plan:
    head = (
        f"inputs:\n  text: {{type: string}}\noutputs:\n  out: {{type: string, reference: '${{{reference}}}'}}\nnodes:\n"
    )
    return flows.compile({"flow.dag.yaml": head + nodes, "a.py": code, "b.py": PLAIN}, **options)


SHOWN = {
    "an output": (A % "", "a.output"),
    "a part of it is an output": (A % "", "a.output.part"),
    "only a condition reads it too": (A % "" + GUARD, "a.output"),
    "the author gave a value": (A % ", stream: true", "a.output"),
    "the author gave a reference": (A % ", stream: '${inputs.text}'", "a.output"),
}


@pytest.mark.parametrize("name", SHOWN)
def test_a_node_is_told_when(flows: Flows, name: str) -> None:
    plan = compiled(flows, *SHOWN[name])
    assert plan.streaming == len(plan.new_frame()) - 1
    assert plan.new_frame()[plan.streaming] is False
    assert [(one.name, one.value.slot) for one in plan.steps[0].arguments] == [("x", 0), ("stream", plan.streaming)]
    assert "stream = whether the request asks for a stream" in explain(plan)


HIDDEN = {
    "no output shows it": (A % "", "inputs.text"),
    "a node reads it": (A % "" + READER % "", "a.output"),
    "a node that never runs reads it": (A % "" + READER % ", aggregation: true", "a.output"),
}


@pytest.mark.parametrize("name", HIDDEN)
def test_a_node_is_not_told_when(flows: Flows, name: str) -> None:
    plan = compiled(flows, *HIDDEN[name])
    assert plan.streaming is None
    assert [one.name for one in plan.steps[0].arguments] == ["x"]


def test_nor_when_the_output_is_left_out(flows: Flows) -> None:
    assert compiled(flows, A % "", included_outputs=()).streaming is None


@pytest.mark.parametrize("parameters", ["x", "x, **rest"])
def test_nor_when_the_tool_has_no_such_parameter(flows: Flows, parameters: str) -> None:
    assert compiled(flows, A % "", code=CODE.replace("x, stream=None", parameters)).streaming is None


def test_what_the_author_gave_stays_where_no_request_decides(flows: Flows) -> None:
    plan = compiled(flows, A % ", stream: true" + READER % "")
    assert plan.streaming is None
    assert plan.literals == (True,)
