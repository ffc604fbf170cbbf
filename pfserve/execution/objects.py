"""Steps that are methods of an object that every process makes for itself: it is made here."""

from __future__ import annotations

from msgspec.structs import replace

from pfserve.plan import Plan, Step


def with_objects(plan: Plan) -> Plan:
    """The plan with its objects made, each once.

    Raises:
        CompileError: the author's code could not make one.
    """
    if not any(step.construct for step in plan.steps):
        return plan
    return replace(plan, steps=tuple(_bound(step) for step in plan.steps))


def _bound(step: Step) -> Step:
    return step if step.construct is None else replace(step, function=step.construct(), construct=None)
