from __future__ import annotations

import pytest

from pfserve.plan import (
    Access,
    AccessKind,
    Argument,
    Chain,
    Guard,
    InputSpec,
    Lane,
    OutputSpec,
    Plan,
    Reference,
    Step,
    StepKind,
    explain,
)


def plan() -> Plan:
    text = Reference(0, (), "text", "inputs.text")
    literal = Reference(2, (), "", "[1]")
    result = Reference(3, (Access(AccessKind.NAME, "k"),), "a", "a.output.k", "k")
    step = Step(
        name="a",
        kind=StepKind.PYTHON,
        function=len,
        is_async=True,
        lane=Lane.LOOP,
        arguments=(Argument("x", text), Argument("y", literal, optional=True)),
        result=3,
        needs=(),
        guard=Guard(text, "go"),
        source="flow.dag.yaml:7",
    )
    return Plan(
        flow_name="f",
        kind="dag",
        inputs=(
            InputSpec("text", "string", required=True, default=None, convert=str),
            InputSpec("n", "int", required=False, default=4, convert=int),
        ),
        outputs=(OutputSpec("out", result, None, False), OutputSpec("fixed", None, 5, False)),
        steps=(step,),
        chains=(Chain(Lane.LOOP, (0,), (), ()),),
        literals=([1],),
        width=0,
        swagger=b"{}",
        environment={"B": "2", "A": "1"},
        fingerprint="0123",
    )


def test_a_frame_has_inputs_then_literals_then_results() -> None:
    assert plan().new_frame() == [None, 4, [1], None]


def test_frames_are_lists_of_their_own() -> None:
    one = plan()
    assert one.new_frame() is not one.new_frame()


def test_a_plan_cannot_be_changed() -> None:
    with pytest.raises(AttributeError):
        plan().width = 3  # type: ignore[misc]


def test_explain() -> None:
    assert explain(plan()) == (
        "flow f (dag), fingerprint 0123\n"
        "\n"
        "inputs\n"
        "  text: string, required\n"
        "  n: int, default 4\n"
        "\n"
        "environment\n"
        "  A = '1'\n"
        "  B = '2'\n"
        "\n"
        "chains (no thread needed)\n"
        "  0 on the loop\n"
        "    a: async python, flow.dag.yaml:7\n"
        "      only if inputs.text == 'go'\n"
        "      x <- inputs.text\n"
        "      y = [1]\n"
        "\n"
        "outputs\n"
        "  out <- a.output.k\n"
        "  fixed = 5\n"
    )
