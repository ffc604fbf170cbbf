"""One door for every kind of flow: each has passes of its own, all give a plan."""

from __future__ import annotations

from collections.abc import Mapping

from pfserve.compiler.compile import compile_dag
from pfserve.compiler.flex import compile_flex
from pfserve.compiler.prompty import compile_prompty
from pfserve.connections import Connections, Sources
from pfserve.flow import AnySource, FlexSource, PromptySource
from pfserve.plan import Plan


def compile_flow(
    source: AnySource,
    *,
    jinja_sandbox: bool = True,
    included_outputs: tuple[str, ...] | None = None,
    connections: Connections | None = None,
    variants: Mapping[str, str] | None = None,
    init: Mapping[str, object] | None = None,
) -> Plan:
    """The plan of a flow. Imports the flow's python files, so the flow's environment has to be set before.

    Args:
        source: what the author wrote.
        jinja_sandbox: render prompts in jinja2's sandbox.
        included_outputs: exactly the outputs that responses have; None for all but ``evaluation_only`` ones.
        connections: what the flow's names of connections mean; by default there are none.
        variants: the variant to use, by node, instead of the default one.
        init: the arguments of a flex flow's class; by default those of its sample.

    Raises:
        CompileError: with every mistake of the flow.
    """
    connections = connections or Connections(Sources(forms={}))
    if isinstance(source, FlexSource):
        return compile_flex(source, included_outputs=included_outputs, connections=connections, init=init or {})
    if isinstance(source, PromptySource):
        return compile_prompty(
            source, jinja_sandbox=jinja_sandbox, included_outputs=included_outputs, connections=connections
        )
    return compile_dag(
        source,
        jinja_sandbox=jinja_sandbox,
        included_outputs=included_outputs,
        connections=connections,
        variants=variants or {},
    )
