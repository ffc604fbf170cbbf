"""The compiler's table of contents."""

from __future__ import annotations

from pfserve.compiler.bind import Slots, bind_inputs, bind_outputs, bind_steps
from pfserve.compiler.chains import fuse, thread_width
from pfserve.compiler.findings import Findings
from pfserve.compiler.load import fingerprint, load_nodes
from pfserve.compiler.names import check_names, chosen_nodes
from pfserve.compiler.order import order_nodes
from pfserve.compiler.swagger import swagger
from pfserve.compiler.wire import wire_nodes
from pfserve.flow import FlowSource, NodeSource
from pfserve.plan import Plan


def compile_flow(
    source: FlowSource, *, jinja_sandbox: bool = True, included_outputs: tuple[str, ...] | None = None
) -> Plan:
    """The plan of a flow. Imports the flow's python files, so the flow's environment has to be set before.

    Args:
        source: what the author wrote.
        jinja_sandbox: render prompts in jinja2's sandbox.
        included_outputs: exactly the outputs that responses have; None for all but ``evaluation_only`` ones.

    Raises:
        CompileError: with every mistake of the flow.
    """
    findings = Findings(source.mistakes, source.warnings)
    nodes = chosen_nodes(source)
    check_names(source, nodes, findings)
    ordered = order_nodes(nodes, findings)
    loaded = load_nodes(source, ordered, jinja_sandbox, findings)
    load_nodes(source, _aggregations(nodes), jinja_sandbox, findings)  # must be loadable, as in promptflow; never run
    wirings = wire_nodes(loaded, findings)
    findings.raise_mistakes()

    slots = Slots(source, wirings)
    inputs = bind_inputs(source, findings)
    steps = bind_steps(wirings, slots)
    outputs = bind_outputs(source, slots, included_outputs, findings)
    chains = fuse(steps)
    return Plan(
        flow_name=source.name,
        kind="dag",
        inputs=inputs,
        outputs=outputs,
        steps=steps,
        chains=chains,
        literals=slots.literals,
        width=thread_width(chains),
        swagger=swagger(source, included_outputs),
        environment=source.environment,
        fingerprint=fingerprint(source, nodes),
        warnings=findings.warnings,
    )


def _aggregations(nodes: tuple[NodeSource, ...]) -> tuple[NodeSource, ...]:
    return tuple(node for node in nodes if node.aggregation)
