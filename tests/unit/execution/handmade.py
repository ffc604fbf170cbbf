"""Plans made by hand, as the compiler would make them."""

from __future__ import annotations

import asyncio
import contextlib
import inspect
from collections.abc import Callable
from typing import NamedTuple

import uvloop

from pfserve.execution import ThreadLane
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
)

LOOPS = {"asyncio": asyncio.run, "uvloop": uvloop.run}
MISSING = object()


@contextlib.contextmanager
def lane_of(threads, **options):
    lane = ThreadLane(threads, asyncio.get_running_loop(), **options)
    lane.start()
    try:
        yield lane
    finally:
        lane.close()


class At(NamedTuple):
    """A reference: an input or a node, and a path of names (str) and indexes (int)."""

    owner: str
    path: tuple[str | int, ...] = ()


def at(owner, *path):
    return At(owner, path)


class Literal(NamedTuple):
    value: object


class Node(NamedTuple):
    name: str
    function: Callable[..., object]
    arguments: dict[str, At | Literal]
    guard: tuple[At, object] | None
    lane: Lane | None


def node(name, function, *, when=None, equals=None, lane=MISSING, **arguments):
    if lane is MISSING:
        lane = Lane.LOOP if inspect.iscoroutinefunction(function) else Lane.THREAD
    return Node(name, function, arguments, None if when is None else (when, equals), lane)


def prompt(name, function, **arguments):
    return node(name, function, lane=None, **arguments)


def given(name, convert=lambda value: value, default=MISSING):
    required = default is MISSING
    return InputSpec(name, "object", required, None if required else default, convert)


def plan_of(*nodes, inputs=(), outputs=(), chains=None):
    """``chains`` lists the names of the nodes of each chain; without it all nodes are one chain."""
    literals = [value for node in nodes for value in node.arguments.values() if isinstance(value, Literal)]
    slots = {spec.name: slot for slot, spec in enumerate(inputs)}
    slots |= {id(literal): len(inputs) + index for index, literal in enumerate(literals)}
    first_result = len(inputs) + len(literals)
    slots |= {node.name: first_result + index for index, node in enumerate(nodes)}

    def reference(value):
        if isinstance(value, Literal):
            return Reference(slots[id(value)], (), "", repr(value.value))
        path = tuple(Access(AccessKind.NAME if isinstance(p, str) else AccessKind.ITEM, p) for p in value.path)
        spelling = ".".join(map(str, value.path))
        return Reference(slots[value.owner], path, value.owner, f"{value.owner}.output.{spelling}", spelling)

    steps = []
    for node in nodes:
        references = {name: reference(value) for name, value in node.arguments.items()}
        guard = node.guard and Guard(reference(node.guard[0]), node.guard[1])
        used = [*references.values(), *([guard.when] if guard else [])]
        parameters = inspect.signature(node.function).parameters
        steps.append(
            Step(
                name=node.name,
                kind=StepKind.PROMPT if node.lane is None else StepKind.PYTHON,
                function=node.function,
                is_async=inspect.iscoroutinefunction(node.function),
                lane=node.lane,
                arguments=tuple(
                    Argument(name, ref, name in parameters and parameters[name].default is not inspect.Parameter.empty)
                    for name, ref in references.items()
                ),
                result=slots[node.name],
                needs=tuple(sorted({ref.slot - first_result for ref in used if ref.slot >= first_result})),
                guard=guard,
                source=f"flow.dag.yaml:{slots[node.name]}",
            )
        )
    return Plan(
        flow_name="handmade",
        kind="dag",
        inputs=tuple(inputs),
        outputs=tuple(_output(name, value, reference) for name, value in dict(outputs).items()),
        steps=tuple(steps),
        chains=_chains(steps, chains),
        literals=tuple(literal.value for literal in literals),
        width=sum(1 for step in steps if step.lane is Lane.THREAD),
        swagger=b"{}",
        environment={},
        fingerprint="0",
    )


def _output(name, value, reference):
    if isinstance(value, At):
        return OutputSpec(name, reference(value), None, False)
    return OutputSpec(name, None, value, False)


def _chains(steps, names):
    if not steps:
        return ()
    index_of = {step.name: index for index, step in enumerate(steps)}
    members = [[index_of[name] for name in chain] for chain in names or [[step.name for step in steps]]]
    chain_of = {index: number for number, chain in enumerate(members) for index in chain}
    needs = [
        sorted({chain_of[need] for index in chain for need in steps[index].needs} - {number})
        for number, chain in enumerate(members)
    ]
    return tuple(
        Chain(
            lane=Lane.THREAD if any(steps[i].lane is Lane.THREAD for i in chain) else Lane.LOOP,
            steps=tuple(chain),
            needs=tuple(needs[number]),
            unlocks=tuple(other for other, need in enumerate(needs) if number in need),
        )
        for number, chain in enumerate(members)
    )
