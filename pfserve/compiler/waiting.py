"""The plan of a flow that cannot be compiled yet: it answers every request with the reason (contract 0).

Azure ML's deployments start although the workspace does not let them read its connections: roles take minutes to
take effect. Until they do, the flow's page of swagger is there, and ``/score`` says what is missing.
"""

from __future__ import annotations

from pfserve.compiler.swagger import swagger
from pfserve.errors import UserError
from pfserve.flow import AnySource
from pfserve.plan import Chain, Lane, Plan, Step, StepKind, Waiting


def waiting_plan(source: AnySource, reason: str, included_outputs: tuple[str, ...] | None) -> Plan:
    """A plan without inputs, so that bodies are ignored, whose only step raises ``UserError(reason)``."""
    waiting = Waiting(reason)

    async def refuse() -> None:
        waiting.asked += 1
        raise UserError(waiting.reason)

    step = Step(
        name="waiting",
        kind=StepKind.PYTHON,
        function=refuse,
        is_async=True,
        lane=Lane.LOOP,
        arguments=(),
        result=0,
        needs=(),
        guard=None,
        source=source.span.file,
    )
    return Plan(
        flow_name=source.name,
        kind="waiting",
        inputs=(),
        outputs=(),
        steps=(step,),
        chains=(Chain(Lane.LOOP, (0,), (), ()),),
        literals=(),
        width=0,
        swagger=swagger(source, included_outputs),
        environment=source.environment,
        fingerprint="",
        folder=str(source.folder),
        waiting=waiting,
    )
