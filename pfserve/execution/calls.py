"""A step as a function of the frame: arguments bound once, conditions decided once."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from pfserve.execution.frame import Frame, reader
from pfserve.plan import ABSENT, Argument, Guard, Plan, Step

Call: TypeAlias = Callable[[Frame], object]


def step_calls(plan: Plan) -> list[Call]:
    """For each step a function that calls it with the values of a frame.

    It gives what the step's function gives (for an async one a coroutine), or ABSENT without calling it.
    """
    bypassable = {slot for slot, spec in enumerate(plan.inputs) if spec.default is ABSENT}
    calls = []
    for step in plan.steps:
        sources = _node_slots(plan, step)
        bypassed = _bypass_test(step.guard, sources, bypassable)
        calls.append(_call(step, bypassed, bypassable))
        if bypassed is not None:
            bypassable.add(step.result)
    return calls


def _node_slots(plan: Plan, step: Step) -> list[int]:
    """The slots of the steps that the arguments refer to."""
    first = len(plan.inputs) + len(plan.literals)
    results = range(first, first + len(plan.steps))
    return [argument.value.slot for argument in step.arguments if argument.value.slot in results]


def _bypass_test(guard: Guard | None, sources: list[int], bypassable: set[int]) -> Callable[[Frame], bool] | None:
    """Whether the step does not run (contract section 3.5, rules 1 to 3); None if it always runs."""
    if guard is not None:
        slot, read, expected = guard.when.slot, reader(guard.when), guard.equals
        return lambda frame: frame[slot] is ABSENT or not read(frame) == expected  # noqa: SIM201 - == is the contract
    if sources and bypassable.issuperset(sources):
        return lambda frame: all(frame[slot] is ABSENT for slot in sources)
    return None


def _call(step: Step, bypassed: Callable[[Frame], bool] | None, bypassable: set[int]) -> Call:
    if any(argument.value.slot in bypassable for argument in step.arguments):
        call = _call_without_bypassed(step)
    elif any(argument.value.path for argument in step.arguments):
        call = _call_with_paths(step)
    else:
        call = _call_with_slots(step)
    if bypassed is None:
        return call
    return lambda frame: ABSENT if bypassed(frame) else call(frame)


def _call_with_slots(step: Step) -> Call:
    function = step.function
    slots = [(argument.name, argument.value.slot) for argument in step.arguments]
    if not slots:
        return lambda frame: function()
    if len(slots) == 1:
        [(name, slot)] = slots
        return lambda frame: function(**{name: frame[slot]})
    return lambda frame: function(**{name: frame[slot] for name, slot in slots})


def _call_with_paths(step: Step) -> Call:
    function = step.function
    readers = [(argument.name, reader(argument.value)) for argument in step.arguments]
    return lambda frame: function(**{name: read(frame) for name, read in readers})


def _call_without_bypassed(step: Step) -> Call:
    """Some arguments may come from bypassed steps: left out if the parameter has a default, else None (rule 4)."""
    function = step.function
    bindings = [_binding(argument) for argument in step.arguments]

    def call(frame: Frame) -> object:
        arguments = {}
        for name, slot, read, optional in bindings:
            if frame[slot] is not ABSENT:
                arguments[name] = read(frame)
            elif not optional:
                arguments[name] = None
        return function(**arguments)

    return call


def _binding(argument: Argument) -> tuple[str, int, Callable[[Frame], object], bool]:
    return argument.name, argument.value.slot, reader(argument.value), argument.optional
