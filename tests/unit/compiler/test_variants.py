"""Variants that the operator asks for."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from conftest import Flows

TOOL = "from house import tool\n@tool\ndef a(x):\n    return x\n"
BODY = "{node: {type: python, source: {path: a.py}, inputs: {x: %s}}}"
FLOW = f"""outputs:
  out: {{type: string, reference: "${{a.output}}"}}
nodes:
- {{name: a, use_variants: true}}
- {{name: b, type: python, source: {{path: a.py}}, inputs: {{x: stays}}}}
node_variants:
  a: {{default_variant_id: one, variants: {{one: {BODY % 1}, two: {BODY % 2}}}}}
  b: {{default_variant_id: one, variants: {{one: {BODY % 3}}}}}
"""

CHOICES = [({}, (1, "stays")), ({"a": "two"}, (2, "stays")), ({"a": "two", "b": "one"}, (2, 3))]


@pytest.mark.parametrize(("variants", "expected"), CHOICES)
def test_the_variant_asked_for_takes_the_nodes_place(
    flows: Flows, variants: dict[str, str], expected: tuple[object, ...]
) -> None:
    assert flows.compile({"flow.dag.yaml": FLOW, "a.py": TOOL}, variants=variants).literals == expected


MISTAKES = [
    ({"a": "tow"}, "node 'a' has no variant 'tow' to choose; did you mean 'two'?"),
    ({"a": "zzz"}, "node 'a' has no variant 'zzz' to choose; there are one, two"),
    ({"zzz": "two"}, "there are no variants of a node 'zzz' to choose 'two' from; nodes that have some: a, b"),
]


@pytest.mark.parametrize(("variants", "expected"), MISTAKES)
def test_one_that_does_not_exist(flows: Flows, variants: dict[str, str], expected: str) -> None:
    assert flows.mistakes({"flow.dag.yaml": FLOW, "a.py": TOOL}, variants=variants) == [f"flow.dag.yaml: {expected}"]
