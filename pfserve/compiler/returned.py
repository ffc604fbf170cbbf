"""What the kinds of flow have in common whose answer is what one step returned: flex flows and prompties."""

from __future__ import annotations

from pfserve.compiler.chains import fuse, thread_width
from pfserve.compiler.findings import Findings
from pfserve.compiler.swagger import swagger
from pfserve.errors import did_you_mean
from pfserve.flow import FlowFile, InputSource, OutputSource
from pfserve.plan import InputSpec, Plan, Reference, Returned, Step
from pfserve.values import TYPES


def check_file(source: FlowFile, findings: Findings) -> None:
    """The language, and the types of what the file declares."""
    if source.language.text != "python":
        found = f"Only python flows are allowed to be loaded with promptflow-core but got a {source.language.text} flow"
        findings.mistake(source.language.span, found)
    declared: list[InputSource | OutputSource] = [*source.inputs, *source.outputs]
    for one in declared:
        if one.type and one.type not in TYPES:
            findings.mistake(one.span, f"'{one.name}' has the unknown type '{one.type}'{did_you_mean(one.type, TYPES)}")


def plan_of_step(
    source: FlowFile,
    inputs: tuple[InputSpec, ...],
    step: Step,
    findings: Findings,
    *,
    included: tuple[str, ...] | None,
    fingerprint: str,
) -> Plan:
    """The plan of a flow that is this step. ``source`` declares its inputs and outputs, whoever named them."""
    chains = fuse((step,))
    return Plan(
        flow_name=source.name,
        kind=source.kind,
        inputs=inputs,
        outputs=(),
        steps=(step,),
        chains=chains,
        literals=(),
        width=thread_width(chains),
        swagger=swagger(source, included),
        environment=source.environment,
        fingerprint=fingerprint,
        warnings=findings.warnings,
        folder=str(source.folder),
        returned=Returned(Reference(step.result, (), step.name, step.name), _hidden(source.outputs, included)),
    )


def _hidden(outputs: tuple[OutputSource, ...], included: tuple[str, ...] | None) -> frozenset[str]:
    """The declared outputs that responses do not have."""
    if included is None:
        return frozenset(one.name for one in outputs if one.evaluation_only)
    return frozenset(one.name for one in outputs if one.name not in included)
