"""A plan as plain data for programs: what ``pfserve explain --format json`` prints."""

from __future__ import annotations

from pfserve.plan.plan import ABSENT, Argument, Chain, Plan, Reference, Step


def facts(plan: Plan) -> dict[str, object]:
    """The plan as dicts, lists and scalars. Values that are no such thing become their ``repr``."""
    return {
        "flow": plan.flow_name,
        "kind": plan.kind,
        "fingerprint": plan.fingerprint,
        "threads": plan.width,
        "message_format": plan.message_format,
        "inputs": [
            {
                "name": one.name,
                "type": one.type,
                "required": one.required,
                "default": None if one.default is ABSENT else plain(one.default),
            }
            for one in plan.inputs
        ],
        "environment": dict(sorted(plan.environment.items())),
        "steps": [_step(plan, step) for step in plan.steps],
        "chains": [_chain(plan, chain) for chain in plan.chains],
        "outputs": [
            {
                "name": one.name,
                **(_reference(one.reference) if one.reference is not None else {"literal": plain(one.literal)}),
                "evaluation_only": one.evaluation_only,
            }
            for one in plan.outputs
        ],
        **({} if plan.returned is None else {"returned": plan.returned.value.text}),
        "warnings": list(plan.warnings),
    }


def plain(value: object) -> object:
    """The value, if JSON has it; else its ``repr``."""
    if value is None or isinstance(value, bool | int | float) or type(value) is str:
        return value
    if isinstance(value, list):
        return [plain(item) for item in value]
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    return repr(value)


def _step(plan: Plan, step: Step) -> dict[str, object]:
    found: dict[str, object] = {
        "name": step.name,
        "kind": step.kind.value,
        "async": step.is_async,
        "source": step.source,
        "arguments": {one.name: _argument(plan, one) for one in step.arguments},
    }
    if step.guard is not None:
        found["only_if"] = {**_reference(step.guard.when), "equals": plain(step.guard.equals)}
    if step.call is not None:
        found["model"] = {"api": step.call.api, "connection": getattr(step.call.connection, "name", None)}
    return found


def _argument(plan: Plan, argument: Argument) -> dict[str, object]:
    value = argument.value
    if value.owner:
        return _reference(value)
    if value.slot == plan.streaming:
        return {"request": "stream"}
    return {"literal": plain(plan.literals[value.slot - len(plan.inputs)])}


def _reference(reference: Reference) -> dict[str, object]:
    return {"reference": reference.text}


def _chain(plan: Plan, chain: Chain) -> dict[str, object]:
    names = [plan.steps[index].name for index in chain.steps]
    return {"lane": chain.lane.value, "steps": names, "after": list(chain.needs)}
