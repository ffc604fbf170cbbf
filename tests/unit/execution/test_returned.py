"""Flows whose outputs are what their one step returned."""

from __future__ import annotations

import dataclasses

import msgspec
import pytest

from pfserve.errors import CompileError, UserError
from pfserve.execution import Stream, with_objects
from pfserve.plan import ABSENT, Reference, Returned
from pfserve.values import Bare
from pfserve.values.promptflow_errors import SystemErrorException
from unit.execution.handmade import at, given, node, plan_of


def returning(function, *names, hidden=(), sample=None, **options):
    """The plan of a flow that is ``function``; each name is an input whose default is the code's."""
    inputs = [given(name, default=ABSENT) for name in names]
    plan = plan_of(node("f", function, **{name: at(name) for name in names}), inputs=inputs)
    [step] = plan.steps
    return msgspec.structs.replace(
        plan,
        steps=(msgspec.structs.replace(step, wraps=True, **options),),
        returned=Returned(Reference(step.result, (), "f", "f"), frozenset(hidden)),
        sample=sample or {},
    )


@dataclasses.dataclass
class Answer:
    text: str
    more: object = None


@pytest.mark.parametrize(
    ("value", "outputs"),
    [
        ({"a": 1, "output": 2}, {"a": 1, "output": 2}),
        ({}, {}),
        (Answer("x", [1]), {"text": "x", "more": [1]}),
        ("x", Bare(output="x")),
        (None, Bare(output=None)),
        ([1], Bare(output=[1])),
        (Answer, Bare(output=Answer)),
    ],
)
def test_what_is_returned_decides_what_the_outputs_are(outcome, value, outputs):
    found = outcome(returning(lambda: value))
    assert found == outputs
    assert type(found) is type(outputs)


def test_a_dict_that_the_code_keeps_is_not_changed(outcome):
    kept = {"a": iter("xy"), "b": 1}
    assert outcome(returning(lambda: kept)) == {"a": "xy", "b": 1}
    assert not isinstance(kept["a"], str)


def test_hidden_outputs_are_left_out(outcome):
    assert outcome(returning(lambda: {"a": 1, "b": 2}, hidden=["b"])) == {"a": 1}
    assert outcome(returning(lambda: Answer("x"), hidden=["more"])) == {"text": "x"}


def test_an_input_that_is_not_given_leaves_its_default_to_the_code(outcome):
    def f(a="own", *, b="own too"):
        return [a, b]

    plan = returning(f, "a", "b")
    assert outcome(plan)["output"] == ["own", "own too"]
    assert outcome(plan, b=None)["output"] == ["own", None]


def test_the_sample_counts_where_nothing_is_given(outcome):
    plan = returning(lambda a="own", b="own": [a, b], "a", "b", sample={"a": ["sampled"]})
    assert outcome(plan)["output"] == [["sampled"], "own"]
    assert outcome(plan, b=1)["output"] == ["own", 1]


def test_generators_are_joined_wherever_they_are(outcome):
    def numbers():
        yield from (1, 2)

    async def slowly():
        yield "a"
        yield "b"

    assert outcome(returning(numbers)) == Bare(output="12")
    assert outcome(returning(slowly)) == Bare(output="ab")
    assert outcome(returning(lambda: Answer("x", numbers()))) == {"text": "x", "more": "12"}


def test_or_streamed(executing):
    async def main(executor):
        outputs = await executor.run({}, True)
        assert isinstance(outputs["more"], Stream)
        return outputs["text"], [item async for item in outputs["more"]]

    assert executing(returning(lambda: Answer("x", iter([1, "2"]))), main) == ("x", [1, "2"])


@pytest.mark.parametrize("lane", ["thread", "loop"])
def test_promptflows_own_exceptions_are_told_like_others(outcome, lane):
    def f():
        raise SystemErrorException("broken")

    async def g():
        raise SystemErrorException("broken")

    with pytest.raises(UserError, match=r"^Execution failure in 'f': \(SystemErrorException\) broken$"):
        outcome(returning(f if lane == "thread" else g))


def test_also_where_a_generator_raises_them(outcome):
    def f():
        yield "x"
        raise SystemErrorException("broken")

    with pytest.raises(UserError, match=r"^Execution failure in 'f': \(SystemErrorException\) broken$"):
        outcome(returning(f))


def test_an_object_is_made_once_for_each_executor(outcome):
    made = []

    def construct():
        made.append(len(made))
        return lambda: made[-1]

    plan = returning(lambda: None, construct=construct)
    assert outcome(plan) == Bare(output=0)
    assert outcome(plan) == Bare(output=1)
    assert with_objects(with_objects(plan)).steps[0].construct is None
    assert len(made) == 3


def test_an_object_that_cannot_be_made_is_a_boot_error(outcome):
    def construct():
        raise CompileError([])

    with pytest.raises(CompileError):
        outcome(returning(lambda: None, construct=construct))
