"""Fourth pass: every name becomes a slot of the frame. Literals are converted here, once."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from pathlib import Path

import msgspec

from pfserve.compiler.findings import Findings, did_you_mean
from pfserve.compiler.load import Loaded
from pfserve.compiler.order import needed_names
from pfserve.compiler.reference import InputReference, NodeReference, read_path, read_reference, unread_part
from pfserve.errors import UserError
from pfserve.flow import FlowSource, NodeInputSource, NodeSource, SourceSpan
from pfserve.plan import Argument, Guard, InputSpec, OutputSpec, Reference, Step, StepKind
from pfserve.values import ConversionError, convert_literal, converter, type_of_annotation

_UNREADY_LITERALS = ("connection", "image", "assistant_definition")


class Literal(msgspec.Struct, frozen=True):
    """A value that the author wrote, as the node gets it. Known by identity: two equal ones have two slots."""

    value: object


class Wiring(msgspec.Struct, frozen=True):
    """A node's arguments before slots are known: a reference of the author, or a literal."""

    loaded: Loaded
    arguments: tuple[tuple[str, InputReference | NodeReference | Literal], ...]


def wire_nodes(loaded: dict[str, Loaded], findings: Findings) -> tuple[Wiring, ...]:
    """What each loaded node is called with; literals that do not fit are reported."""
    wirings = []
    for node in loaded.values():
        _warn_of_signature(node, findings)
        wirings.append(Wiring(node, tuple(_wire(node, findings))))
    return tuple(wirings)


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


def _wire(loaded: Loaded, findings: Findings) -> Iterator[tuple[str, InputReference | NodeReference | Literal]]:
    for given in loaded.node.inputs:
        reference = read_reference(given.value)
        if isinstance(reference, NodeReference):
            _warn_of_path(reference, given.span, findings)
        if reference is not None:
            yield given.name, reference
        elif given.value not in (None, ""):  # dropped, so that the parameter's default applies
            yield given.name, Literal(_literal(loaded, given, findings))


def _literal(loaded: Loaded, given: NodeInputSource, findings: Findings) -> object:
    parameter = loaded.parameters.get(given.name)
    if parameter is None:
        return given.value
    kind = type_of_annotation(parameter.annotation, parameter.default)
    if kind in _UNREADY_LITERALS:
        what = f"Input '{given.name}' for node '{loaded.node.name}' is of type {kind}"
        findings.mistake(given.span, f"{what}, for which this version cannot take '{given.value}' yet")
        return None
    try:
        return convert_literal(kind, given.value)
    except ConversionError:
        what = f"Input '{given.name}' for node '{loaded.node.name}' of value '{given.value}'"
        findings.mistake(given.span, f"{what} is not type {kind}.")
        return None


def _warn_of_signature(loaded: Loaded, findings: Findings) -> None:
    """What promptflow starts with all the same, and answers 400 to each request."""
    if loaded.kind is not StepKind.PYTHON:
        return
    node, function = loaded.node, getattr(loaded.function, "__name__", "the tool")
    given = [one.name for one in node.inputs if one.value not in (None, "")]
    for name, parameter in loaded.parameters.items():
        if name not in given and parameter.default is inspect.Parameter.empty:
            findings.warning(node.span, f"node '{node.name}' does not give '{name}', which {function}() requires")
    if loaded.needs_positions:
        findings.warning(node.span, f"node '{node.name}' cannot give the positional-only parameters of {function}()")
    for one in node.inputs:
        if one.name in given and one.name not in loaded.parameters and not loaded.takes_any_name:
            hint = did_you_mean(one.name, loaded.parameters)
            findings.warning(one.span, f"node '{node.name}' gives '{one.name}', which {function}() does not take{hint}")


def _warn_of_path(reference: NodeReference, span: SourceSpan, findings: Findings) -> None:
    unread = unread_part(reference.property)
    if unread:
        odd = f"'{unread}' in the property path of ${{{reference.text}}} means nothing and is skipped"
        findings.warning(span, f"{odd}; write ['key'] or [0] for keys and indexes")


def _warn_of_output(name: str, reference: NodeReference, span: SourceSpan, slots: Slots, findings: Findings) -> None:
    _warn_of_path(reference, span, findings)
    if reference.node not in slots.results:
        aggregation = f"the output '{name}' comes from the aggregation node '{reference.node}'"
        findings.warning(span, f"{aggregation}, which is never run here: it is left out of responses")
    elif reference.section != "output":
        ignored = f"'{reference.section}' in the reference of the output '{name}' is read as 'output'"
        findings.warning(span, f"{ignored}; write ${{{reference.node}.output}}")
