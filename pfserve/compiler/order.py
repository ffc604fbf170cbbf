"""Second pass: the nodes that run, each behind the ones it needs."""

from __future__ import annotations

import heapq
from collections.abc import Iterator

from pfserve.compiler.findings import Findings
from pfserve.compiler.reference import NodeReference, read_reference
from pfserve.flow import NodeSource


def order_nodes(nodes: tuple[NodeSource, ...], findings: Findings) -> tuple[NodeSource, ...]:
    """The nodes without aggregations, in dependency order; among equals the order of the file decides.

    Nodes on a circle, and those behind one, come last; the circle is reported.
    """
    running: dict[str, NodeSource] = {}
    for node in nodes:
        if not node.aggregation:
            running.setdefault(node.name, node)  # of doubles, which are reported elsewhere, the first one
    missing = {name: {need for need in needed_names(node) if need in running} for name, node in running.items()}
    ordered = _ordered(missing)
    stuck = [name for name, needs in missing.items() if needs]
    if stuck:
        circle = _circle(stuck[0], missing)
        path = " -> ".join([*circle, circle[0]])
        problem = "Node circular dependency has been detected among the nodes in your flow"
        findings.mistake(running[circle[0]].span, f"{problem}: {path} (each needs the one behind the arrow)")
    return tuple(running[name] for name in (*ordered, *stuck))


def _ordered(missing: dict[str, set[str]]) -> list[str]:
    """The names that can be put in order. Takes out of ``missing`` what is met; only circles are left in it."""
    names = list(missing)
    position = {name: index for index, name in enumerate(names)}
    waiting: dict[str, list[str]] = {name: [] for name in names}
    for name, needs in missing.items():
        for need in needs:
            waiting[need].append(name)
    ready = [position[name] for name, needs in missing.items() if not needs]
    ordered = []
    while ready:
        done = names[heapq.heappop(ready)]
        ordered.append(done)
        for name in waiting[done]:
            missing[name].discard(done)
            if not missing[name]:
                heapq.heappush(ready, position[name])
    return ordered


def needed_names(node: NodeSource) -> Iterator[str]:
    """The names of the nodes that ``node`` refers to, in its inputs and in its ``activate``."""
    yield from needed_by_inputs(node)
    reference = read_reference(node.activate.when) if node.activate else None
    if isinstance(reference, NodeReference):
        yield reference.node


def needed_by_inputs(node: NodeSource) -> Iterator[str]:
    """The names of the nodes that the inputs of ``node`` refer to."""
    for given in node.inputs:
        reference = read_reference(given.value)
        if isinstance(reference, NodeReference):
            yield reference.node


def _circle(start: str, missing: dict[str, set[str]]) -> list[str]:
    """The nodes of a circle that is reached from ``start`` by following needs that never come."""
    seen: list[str] = []
    name = start
    while name not in seen:
        seen.append(name)
        name = min(need for need in missing[name] if missing[need])
    return seen[seen.index(name) :]
