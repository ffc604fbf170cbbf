"""A plan as text for people: inputs, steps with their bindings, chains with their lanes, outputs."""

from __future__ import annotations

from collections.abc import Iterator

from pfserve.plan.plan import ABSENT, Argument, Chain, InputSpec, OutputSpec, Plan, Step


def explain(plan: Plan) -> str:
    """The text that ``pfserve explain`` prints. Equal plans give equal texts."""
    return "\n".join(_lines(plan)) + "\n"


def _lines(plan: Plan) -> Iterator[str]:
    yield f"flow {plan.flow_name} ({plan.kind}), fingerprint {plan.fingerprint}"
    yield from _section("inputs", [_input(spec) for spec in plan.inputs])
    yield from _section("environment", [f"{name} = {text!r}" for name, text in sorted(plan.environment.items())])
    yield ""
    yield f"chains ({_threads(plan)})"
    for index, chain in enumerate(plan.chains):
        yield f"  {_chain(index, chain)}"
        for step in chain.steps:
            yield from _step(plan.steps[step])
    if not plan.chains:
        yield "  none"
    yield from _section("outputs", [*map(_output, plan.outputs), *_returned(plan)])


def _section(title: str, lines: list[str]) -> Iterator[str]:
    yield ""
    yield title
    yield from (f"  {line}" for line in lines or ["none"])


def _threads(plan: Plan) -> str:
    if plan.width == 0:
        return "no thread needed"
    return f"at most {plan.width} thread{'s' if plan.width > 1 else ''} at once"


def _input(spec: InputSpec) -> str:
    if spec.default is ABSENT:
        return f"{spec.name}: {spec.type}, default of the code"
    return f"{spec.name}: {spec.type}, " + ("required" if spec.required else f"default {spec.default!r}")


def _chain(index: int, chain: Chain) -> str:
    after = f", after {', '.join(str(need) for need in chain.needs)}" if chain.needs else ""
    return f"{index} on the {chain.lane.value}{after}"


def _step(step: Step) -> Iterator[str]:
    kind = f"async {step.kind.value}" if step.is_async else step.kind.value
    yield f"    {step.name}: {kind}, {step.source}"
    if step.construct is not None:
        yield "      of an object that every worker makes for itself"
    if step.call is not None:
        asked = getattr(step.call.connection, "name", None)
        yield f"      asks {asked} for {step.call.api}" if asked else f"      asks for {step.call.api}"
    if step.guard is not None:
        yield f"      only if {step.guard.when.text} == {step.guard.equals!r}"
    for argument in step.arguments:
        yield f"      {_argument(argument)}"


def _argument(argument: Argument) -> str:
    text = argument.value.text
    return f"{argument.name} = {text}" if not argument.value.owner else f"{argument.name} <- {text}"


def _output(spec: OutputSpec) -> str:
    if spec.reference is None:
        return f"{spec.name} = {spec.literal!r}"
    return f"{spec.name} <- {spec.reference.text}"


def _returned(plan: Plan) -> Iterator[str]:
    if plan.returned is not None:
        without = f" without {', '.join(sorted(plan.returned.hidden))}" if plan.returned.hidden else ""
        yield f"what {plan.returned.value.text} returns{without}"
