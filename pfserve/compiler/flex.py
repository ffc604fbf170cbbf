"""From a flex flow to its plan: one step, and what it returns (contract 4.1). The table of contents of that."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping

import msgspec

from pfserve.compiler.construct import constructor
from pfserve.compiler.defaults import usable_default
from pfserve.compiler.entry import Entry, load_entry
from pfserve.compiler.findings import Findings
from pfserve.compiler.includes import gather_includes
from pfserve.compiler.interface import declared_by_code
from pfserve.compiler.requirements import check_requirements
from pfserve.compiler.returned import check_file, plan_of_step
from pfserve.connections import Connections
from pfserve.errors import did_you_mean
from pfserve.flow import FlexSource, InputSource
from pfserve.plan import ABSENT, Argument, InputSpec, Lane, Plan, Reference, Step, StepKind
from pfserve.values import converter


def compile_flex(
    source: FlexSource,
    *,
    included_outputs: tuple[str, ...] | None,
    connections: Connections,
    init: Mapping[str, object],
) -> Plan:
    """The plan of a flex flow. The arguments are those of ``compile_flow``."""
    findings = Findings(source.mistakes, source.warnings)
    check_file(source, findings)
    findings.raise_mistakes()  # what is not to be served is not imported
    source = gather_includes(source, findings)
    check_requirements(source, findings)
    entry = load_entry(source, findings)
    findings.raise_mistakes()
    assert entry is not None, "without an entry there was a mistake"
    inputs, outputs = declared_by_code(source, entry, findings)
    told = msgspec.structs.replace(source, inputs=inputs, outputs=outputs)
    construct = constructor(source, entry, init, connections, findings)
    typed = _typed(source)
    specs = tuple(_spec(one, typed.get(one.name), findings) for one in inputs)
    refusal = _refusal(entry, typed, findings)
    findings.raise_mistakes()

    step = _step(entry, specs, construct)
    fingerprint = _fingerprint(source, entry)
    plan = plan_of_step(told, specs, step, findings, included=included_outputs, fingerprint=fingerprint)
    return msgspec.structs.replace(plan, sample=source.sample_inputs, refusal=refusal)


# -- inputs ----------------------------------------------------------------------------------------


def _typed(source: FlexSource) -> dict[str, InputSource]:
    """The inputs that the file gives a type and default. A default of "" stands for Python's None: no such input."""
    return {one.name: one for one in source.inputs if one.default != ""}


def _spec(one: InputSource, typed: InputSource | None, findings: Findings) -> InputSpec:
    """An input of the code's. It is required if the code has no default, whatever the file says.

    A request has to give it, whatever the code says, if the file has it without a default, or with one that misfits.
    """
    required = one.default is None
    convert = _unchanged if typed is None else converter(typed.type, one.name)
    default: object = None if required else ABSENT
    refusal = ""
    if typed is not None and not required:
        found, refusal = usable_default(typed, convert, findings)
        if typed.default is None:
            refusal = _not_provided(one.name)
        elif not refusal:
            default = found
    return InputSpec(name=one.name, type=one.type, required=required, default=default, convert=convert, refusal=refusal)


def _unchanged(value: object) -> object:
    return value


def _refusal(entry: Entry, typed: Mapping[str, InputSource], findings: Findings) -> str:
    """What every request is told where the file has inputs that the code does not know; else nothing."""
    taken = {one.name for one in entry.parameters}
    strange = [name for name in typed if name not in taken]
    for name in strange:
        text = f"the input '{name}' is no parameter of {entry.name}(): every request is answered with 400"
        findings.warning(typed[name].span, text + did_you_mean(name, taken))
    return _not_provided(strange[0]) if strange else ""


def _not_provided(name: str) -> str:
    return (
        f"The input for flow is incorrect. The value for flow input '{name}' is not provided in input data. Please "
        "review your input data or remove this input in your flow if it's no longer needed."
    )


# -- the step --------------------------------------------------------------------------------------


def _step(entry: Entry, specs: tuple[InputSpec, ...], construct: Callable[[], Callable[..., object]] | None) -> Step:
    taken = {one.name for one in entry.parameters}
    arguments = [
        Argument(spec.name, Reference(slot, (), spec.name, f"${{inputs.{spec.name}}}"), spec.default is ABSENT)
        for slot, spec in enumerate(specs)
        if spec.name in taken
    ]
    return Step(
        name=entry.name,
        kind=StepKind.PYTHON,
        function=entry.function,
        is_async=entry.is_async,
        lane=Lane.LOOP if entry.is_quick else Lane.THREAD,
        arguments=tuple(arguments),
        result=len(specs),
        needs=(),
        guard=None,
        source=f"{entry.span.file}:{entry.span.line}",
        construct=construct,
        wraps=True,
    )


def _fingerprint(source: FlexSource, entry: Entry) -> str:
    """A text that is equal for equal flow files and entry files, wherever they lie."""
    digest = hashlib.sha256(source.content)
    module = source.folder.joinpath(*source.entry.text.partition(":")[0].split(".")).with_suffix(".py")
    if module.is_file():
        digest.update(module.read_bytes())
    return digest.hexdigest()[:16]
