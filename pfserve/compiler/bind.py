"""Fifth pass: every name becomes a slot of the frame."""

from __future__ import annotations

import inspect
from pathlib import Path

from pfserve.compiler.findings import Findings, did_you_mean
from pfserve.compiler.load import Loaded
from pfserve.compiler.order import needed_names
from pfserve.compiler.reference import InputReference, NodeReference, read_path, read_reference, section_hint
from pfserve.compiler.wire import Literal, Wiring, warn_of_path
from pfserve.errors import UserError
from pfserve.flow import FlowSource, NodeSource, SourceSpan
from pfserve.plan import Argument, Guard, InputSpec, OutputSpec, Reference, Step
from pfserve.values import converter


def bind_inputs(source: FlowSource, findings: Findings) -> tuple[InputSpec, ...]:
    """The flow's inputs. A default that does not fit its type is none: promptflow refuses the request that needs it."""
    specs = []
    for entry in source.inputs:
        convert = converter(entry.type, entry.name)
        required, default = entry.default is None, None
        try:
            default = None if required else convert(entry.default)
        except UserError as problem:
            required = True
            findings.warning(entry.span, f"{problem.message} (Its default cannot be used: clients have to give it.)")
        specs.append(InputSpec(name=entry.name, type=entry.type, required=required, default=default, convert=convert))
    return tuple(specs)


def bind_outputs(
    source: FlowSource,
    slots: Slots,
    included: tuple[str, ...] | None,
    findings: Findings,
) -> tuple[OutputSpec, ...]:
    """The outputs that a response has, in the order of the file."""
    names = [output.name for output in source.outputs]
    for name in included or ():
        if name not in names:
            findings.warning(source.span, f"there is no output '{name}' to include{did_you_mean(name, names)}")
    specs = []
    for output in source.outputs:
        kept = not output.evaluation_only if included is None else output.name in included
        reference = read_reference(output.reference)
        if isinstance(reference, NodeReference):
            _warn_of_output(output.name, reference, output.span, slots, findings)
            kept = kept and reference.node in slots.results
        if kept:
            bound = None if reference is None else slots.reference(reference)
            literal = output.reference if reference is None else None
            specs.append(OutputSpec(output.name, bound, literal, output.evaluation_only))
    return tuple(specs)


class Slots:
    """Where in the frame everything lies: inputs, then literals, then results in the order of the steps."""

    def __init__(self, source: FlowSource, wirings: tuple[Wiring, ...]) -> None:
        self.inputs = {entry.name: slot for slot, entry in enumerate(source.inputs)}
        literals = [value for wiring in wirings for _, value in wiring.arguments if isinstance(value, Literal)]
        self._literals = {id(literal): len(self.inputs) + index for index, literal in enumerate(literals)}
        self.literals = tuple(literal.value for literal in literals)
        first = len(self.inputs) + len(self.literals)
        self.results = {wiring.loaded.node.name: first + index for index, wiring in enumerate(wirings)}
        self.steps = {name: index for index, name in enumerate(self.results)}

    def reference(self, value: InputReference | NodeReference | Literal) -> Reference:
        """Where the frame has the value."""
        if isinstance(value, InputReference):
            return Reference(self.inputs[value.name], (), value.name, value.text)
        if isinstance(value, NodeReference):
            slot = self.results[value.node]
            return Reference(slot, read_path(value.property), value.node, value.text, value.property)
        return Reference(self._literals[id(value)], (), "", repr(value.value))


def bind_steps(wirings: tuple[Wiring, ...], slots: Slots) -> tuple[Step, ...]:
    """The steps, ready to call. Everything they refer to must exist."""
    return tuple(_step(wiring, slots) for wiring in wirings)


def _step(wiring: Wiring, slots: Slots) -> Step:
    loaded, node = wiring.loaded, wiring.loaded.node
    return Step(
        name=node.name,
        kind=loaded.kind,
        function=loaded.function,
        is_async=loaded.is_async,
        lane=loaded.lane,
        arguments=tuple(
            Argument(name, slots.reference(value), _has_default(loaded, name)) for name, value in wiring.arguments
        ),
        result=slots.results[node.name],
        needs=tuple(sorted({slots.steps[name] for name in needed_names(node)})),
        guard=_guard(node, slots),
        source=f"{Path(node.span.file).name}:{node.span.line}",
    )


def _guard(node: NodeSource, slots: Slots) -> Guard | None:
    if node.activate is None:
        return None
    when = read_reference(node.activate.when)
    assert when is not None, "the names pass refuses a literal here"
    return Guard(slots.reference(when), node.activate.equals)


def _has_default(loaded: Loaded, name: str) -> bool:
    parameter = loaded.parameters.get(name)
    return parameter is not None and parameter.default is not inspect.Parameter.empty


def _warn_of_output(name: str, reference: NodeReference, span: SourceSpan, slots: Slots, findings: Findings) -> None:
    warn_of_path(reference, span, findings)
    if reference.node not in slots.results:
        aggregation = f"the output '{name}' comes from the aggregation node '{reference.node}'"
        findings.warning(span, f"{aggregation}, which is never run here: it is left out of responses")
    elif reference.section != "output":
        ignored = f"'{reference.section}' in the reference of the output '{name}' is read as 'output'"
        findings.warning(span, f"{ignored}; write{section_hint(reference)}")
