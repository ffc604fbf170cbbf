"""``activate``: which steps do not run, and what becomes of those that would use their results (contract 3.5)."""

from __future__ import annotations

import pytest

from pfserve.errors import UserError
from unit.execution.handmade import At, Literal, at, given, node, plan_of


async def same(value):
    return value


async def needs_both(left, right):
    return [left, right]


async def has_defaults(left="default left", right="default right"):
    return [left, right]


async def constant():
    return "ran"


def blocking(value):
    return value


def guarded(name="g", function=same, **arguments):
    return node(name, function, when=at("flag"), equals=True, **(arguments or {"value": Literal("ran")}))


def result(outcome, *nodes, flag, output=None, chains=None):
    plan = plan_of(*nodes, inputs=[given("flag")], outputs={"out": output or at(nodes[-1].name)}, chains=chains)
    return outcome(plan, flag=flag)["out"]


@pytest.mark.parametrize(
    ("flag", "expected"), [(True, "ran"), (1, "ran"), (False, None), ("True", None), (None, None), ([], None)]
)
@pytest.mark.parametrize("function", [same, blocking])
def test_a_guarded_step_runs_if_the_value_equals_the_literal(outcome, flag, expected, function):
    assert result(outcome, guarded(function=function), flag=flag) == expected


def test_a_guard_may_look_at_a_property_of_a_node(outcome):
    source = node("s", same, value=Literal({"kind": "a"}))
    for kind, expected in (("a", "ran"), ("b", None)):
        watched = node("g", constant, when=At("s", ("kind",)), equals=kind)
        assert result(outcome, source, watched, flag=None) == expected


def test_a_guard_that_cannot_be_read_is_an_error(outcome):
    source = node("s", same, value=Literal({"kind": "a"}))
    watched = node("g", constant, when=At("s", ("x",)), equals=1)
    with pytest.raises(UserError, match="Invalid property 'x' when accessing the node 's'"):
        result(outcome, source, watched, flag=None)


def test_a_guard_on_a_bypassed_node_bypasses_even_if_none_is_expected(outcome):
    assert result(outcome, guarded(), node("n", constant, when=at("g"), equals=None), flag=False) is None


@pytest.mark.parametrize("chains", [None, [["g"], ["a"], ["b"]]], ids=["one chain", "three chains"])
def test_a_step_whose_sources_are_all_bypassed_is_bypassed_too(outcome, chains):
    nodes = [guarded(), node("a", same, value=at("g")), node("b", needs_both, left=at("a"), right=at("g"))]
    assert result(outcome, *nodes, flag=False, chains=chains) is None
    assert result(outcome, *nodes, flag=True, chains=chains) == ["ran", "ran"]


def test_a_guarded_step_runs_even_if_its_sources_are_bypassed(outcome):
    nodes = [guarded(), node("n", needs_both, when=Literal(1), equals=1, left=at("g"), right=at("g"))]
    nodes[1] = nodes[1]._replace(guard=(at("flag"), False))
    assert result(outcome, *nodes, flag=False) == [None, None]


@pytest.mark.parametrize(
    ("function", "expected"), [(needs_both, [None, "here"]), (has_defaults, ["default left", "here"])]
)
def test_a_bypassed_argument_is_none_or_left_out(outcome, function, expected):
    nodes = [guarded(), node("s", same, value=Literal("here"))]
    user = node("n", function, left=at("g"), right=at("s"))
    assert result(outcome, *nodes, user, flag=False) == expected
    assert result(outcome, *nodes, user, flag=True) == ["ran", "here"]


def test_a_property_of_a_bypassed_argument_is_not_looked_up(outcome):
    nodes = [guarded(), node("s", same, value=Literal("here"))]
    user = node("n", needs_both, left=At("g", ("x",)), right=at("s"))
    assert result(outcome, *nodes, user, flag=False) == [None, "here"]


def test_a_property_of_a_bypassed_output_is_an_error(outcome):
    with pytest.raises(UserError, match="Invalid property 'x' when accessing the node 'g'"):
        result(outcome, guarded(), flag=False, output=At("g", ("x",)))


def test_a_bypassed_branch_does_not_hold_up_the_others(outcome):
    nodes = [guarded("g"), node("s", constant), node("n", needs_both, left=at("g"), right=at("s"))]
    assert result(outcome, *nodes, flag=False, chains=[["g"], ["s"], ["n"]]) == [None, "ran"]
