"""From a DAG flow to its plan: the table of contents of that."""

from __future__ import annotations

from collections.abc import Mapping

from pfserve.compiler.bind import Slots, bind_inputs, bind_outputs, bind_steps
from pfserve.compiler.chains import fuse, thread_width
from pfserve.compiler.findings import Findings
from pfserve.compiler.includes import gather_includes
from pfserve.compiler.load import fingerprint, import_modules, load_nodes
from pfserve.compiler.names import check_names, chosen_nodes
from pfserve.compiler.order import order_nodes
from pfserve.compiler.requirements import check_requirements
from pfserve.compiler.streaming import prompts_for_models, streamed_parameters
from pfserve.compiler.swagger import swagger
from pfserve.compiler.wire import wire_nodes
from pfserve.connections import Connections
from pfserve.flow import FlowSource, NodeSource
from pfserve.plan import Plan


def compile_dag(
    source: FlowSource,
    *,
    jinja_sandbox: bool,
    included_outputs: tuple[str, ...] | None,
    connections: Connections,
    variants: Mapping[str, str],
) -> Plan:
    """The plan of a DAG flow. The arguments are those of ``compile_flow``.

    Raises:
        CompileError: with every mistake of the flow.
    """
    findings = Findings(source.mistakes, source.warnings)
    source = gather_includes(source, findings)
    check_requirements(source, findings)
    nodes = chosen_nodes(source, variants, findings)
    check_names(source, nodes, findings)
    ordered = order_nodes(nodes, findings)
    import_modules(source, nodes, findings)
    connections.fetch(node.connection.text for node in nodes if node.connection.text)
    loaded = load_nodes(source, ordered, connections, jinja_sandbox, findings)
    wirings = wire_nodes(source, loaded, connections, findings)
    _check_aggregations(source, nodes, connections, jinja_sandbox, findings)
    findings.raise_mistakes()

    streamed = streamed_parameters(source, nodes, loaded, included_outputs)
    slots = Slots(source, wirings, streamed)
    inputs = bind_inputs(source, findings)
    steps = bind_steps(wirings, slots, prompts_for_models(loaded))
    outputs = bind_outputs(source, slots, included_outputs, findings)
    chains = fuse(steps)
    return Plan(
        flow_name=source.name,
        kind=source.kind,
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
        message_format=source.message_format.text.lower(),
        streaming=slots.streaming,
        folder=str(source.folder),
    )


def _check_aggregations(
    source: FlowSource, nodes: tuple[NodeSource, ...], connections: Connections, jinja_sandbox: bool, findings: Findings
) -> None:
    """As in promptflow they must be loadable, although they are never run."""
    aggregations = tuple(node for node in nodes if node.aggregation)
    loaded = load_nodes(source, aggregations, connections, jinja_sandbox, findings)
    wire_nodes(source, loaded, connections, findings)
