"""Which nodes a request may ask for a stream (contract 3.8), and which prompts keep their escapes (contract 3.7)."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from pfserve.compiler.load import Loaded
from pfserve.compiler.order import needed_by_inputs
from pfserve.compiler.reference import NodeReference, read_reference
from pfserve.flow import FlowSource, NodeSource
from pfserve.plan import StepKind


def streamed_parameters(
    source: FlowSource, nodes: tuple[NodeSource, ...], loaded: Mapping[str, Loaded], included: Collection[str] | None
) -> dict[str, str]:
    """For each node that a request may ask for a stream the parameter that tells it.

    It must be able to, an output of the flow must show it, and no node may read it, not even one that is never run.
    """
    shown = {
        reference.node
        for output in source.outputs
        if (output.name in included if included is not None else True)
        and isinstance(reference := read_reference(output.reference), NodeReference)
    }
    read = {name for node in nodes for name in needed_by_inputs(node)}
    return {name: one.streaming for name, one in loaded.items() if one.streaming and name in shown - read}


def prompts_for_models(loaded: Mapping[str, Loaded]) -> set[str]:
    """The prompt nodes whose result reaches a model's prompt, through other prompts or at once."""
    reaching: set[str] = set()
    for one in reversed(list(loaded.values())):  # in dependency order
        is_model = one.kind is StepKind.LLM or one.node.type.text == "custom_llm"
        if is_model or one.node.name in reaching:
            needed = [loaded[name] for name in needed_by_inputs(one.node) if name in loaded]
            reaching.update(need.node.name for need in needed if need.kind is StepKind.PROMPT)
    return reaching
