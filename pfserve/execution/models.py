"""Steps that call a model: their functions are made here, where the worker's client is."""

from __future__ import annotations

from msgspec.structs import replace

from pfserve.llm import Models
from pfserve.plan import Plan, Step


def with_models(plan: Plan, models: Models | None) -> Plan:
    """The plan with a function of ``models`` in every step that has a call. Plans without such steps need none."""
    if not any(step.call for step in plan.steps):
        return plan
    assert models is not None, "a plan that calls models needs a client"
    return replace(plan, steps=tuple(_bound(step, models) for step in plan.steps))


def _bound(step: Step, models: Models) -> Step:
    if step.call is None:
        return step
    return replace(step, function=models.bind(step.call), is_async=True)
