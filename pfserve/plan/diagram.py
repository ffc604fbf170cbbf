"""A plan as a Mermaid flowchart: chains as boxes, steps in them, arrows for what flows from one to the next."""

from __future__ import annotations

from collections.abc import Iterator

from pfserve.plan.plan import Plan, Step

_UNSAFE = {'"': "#quot;", "<": "#lt;", ">": "#gt;", "\n": " "}


def diagram(plan: Plan) -> str:
    """The text that ``pfserve explain --format mermaid`` prints. Equal plans give equal texts."""
    return "\n".join(_lines(plan)) + "\n"


def _lines(plan: Plan) -> Iterator[str]:
    yield "flowchart TD"
    for index, spec in enumerate(plan.inputs):
        yield f"  i{index}[/{_quoted(f'{spec.name}: {spec.type}')}/]"
    for number, chain in enumerate(plan.chains):
        yield f"  subgraph c{number}[{_quoted(f'chain {number}: {chain.lane.value}')}]"
        for index in chain.steps:
            yield f"    s{index}[{_quoted(_label(plan.steps[index]))}]"
        yield "  end"
    for index, output in enumerate(plan.outputs):
        yield f"  o{index}[\\{_quoted(output.name)}\\]"
    if plan.returned is not None:
        yield '  returned[\\"what it returns"\\]'
    yield from dict.fromkeys(_arrows(plan))


def _label(step: Step) -> str:
    if step.call is not None:
        return f"{step.name} ({step.call.api} of {getattr(step.call.connection, 'name', '')})"
    return f"{step.name} ({'async ' if step.is_async else ''}{step.kind.value})"


def _arrows(plan: Plan) -> Iterator[str]:
    places = {index: f"i{index}" for index in range(len(plan.inputs))}
    places |= {step.result: f"s{index}" for index, step in enumerate(plan.steps)}
    for index, step in enumerate(plan.steps):
        for argument in step.arguments:
            if argument.value.slot in places:
                yield f"  {places[argument.value.slot]} --> s{index}"
        if step.guard is not None and step.guard.when.slot in places:
            condition = _quoted(f"if {step.guard.when.text} == {step.guard.equals!r}")
            yield f"  {places[step.guard.when.slot]} -.->|{condition}| s{index}"
    for index, output in enumerate(plan.outputs):
        if output.reference is not None:
            yield f"  {places[output.reference.slot]} --> o{index}"
    if plan.returned is not None:
        yield f"  {places[plan.returned.value.slot]} --> returned"


def _quoted(text: str) -> str:
    return '"' + "".join(_UNSAFE.get(letter, letter) for letter in text) + '"'
