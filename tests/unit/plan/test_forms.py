"""A plan as a diagram and as data, where flows have odd names and values."""

from __future__ import annotations

import json

from pfserve.plan import Argument, Chain, InputSpec, Lane, OutputSpec, Plan, Reference, Step, StepKind, diagram, facts


class Odd:
    def __repr__(self) -> str:
        return "<odd>"


def plan() -> Plan:
    arguments = (
        Argument("x", Reference(0, (), 'a"<b>', 'inputs.a"<b>')),
        Argument("y", Reference(1, (), "", "<odd>")),
        Argument("s", Reference(3, (), "", "whether")),
    )
    step = Step("one", StepKind.PYTHON, print, False, Lane.THREAD, arguments, 2, (), None, "f:1")
    return Plan(
        flow_name="f",
        kind="dag",
        inputs=(InputSpec('a"<b>', "object", False, {"k": (1, Odd())}, lambda value: value),),
        outputs=(
            OutputSpec("same", Reference(0, (), "a", "inputs.a"), None, False),
            OutputSpec("text", None, "t", True),
        ),
        steps=(step,),
        chains=(Chain(Lane.THREAD, (0,), (), ()),),
        literals=(Odd(),),
        width=1,
        swagger=b"",
        environment={"B": "2", "A": "1"},
        fingerprint="0",
        streaming=3,
    )


def test_a_diagram_quotes_what_would_end_a_label() -> None:
    assert diagram(plan()) == (
        "flowchart TD\n"
        '  i0[/"a#quot;#lt;b#gt;: object"/]\n'
        '  subgraph c0["chain 0: thread"]\n'
        '    s0["one (python)"]\n'
        "  end\n"
        '  o0[\\"same"\\]\n'
        '  o1[\\"text"\\]\n'
        "  i0 --> s0\n"
        "  i0 --> o0\n"
    )


def test_facts_are_plain_whatever_the_values_are() -> None:
    found = json.loads(json.dumps(facts(plan())))
    assert found["inputs"][0]["default"] == {"k": "(1, <odd>)"}
    assert found["steps"][0]["arguments"] == {
        "x": {"reference": 'inputs.a"<b>'},
        "y": {"literal": "<odd>"},
        "s": {"request": "stream"},
    }
    assert found["outputs"][1] == {"name": "text", "literal": "t", "evaluation_only": True}
    assert list(found["environment"]) == ["A", "B"]
