"""Fifth pass: every name becomes a slot of the frame."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Set
from pathlib import Path
from typing import cast

import msgspec

from pfserve.compiler.defaults import usable_default
from pfserve.compiler.findings import Findings
from pfserve.compiler.llm_node import bound_to_inputs
from pfserve.compiler.load import Loaded
from pfserve.compiler.order import needed_names
from pfserve.compiler.reference import InputReference, NodeReference, read_path, read_reference, section_hint
from pfserve.compiler.template import Render, escaping_prompt
from pfserve.compiler.wire import Literal, Wiring, warn_of_path
from pfserve.errors import did_you_mean
from pfserve.flow import FlowSource, InputSource, SourceSpan
from pfserve.plan import Argument, Guard, InputSpec, LlmCall, OutputSpec, PromptyCall, Reference, Step, ToolCall
from pfserve.values import converter, images_reader
from pfserve.values.connections import Connection


def bind_inputs(source: FlowSource, findings: Findings) -> tuple[InputSpec, ...]:
    """The flow's inputs. A default that does not fit its type makes promptflow refuse the request that needs it."""
    return tuple(_input(source, entry, findings) for entry in source.inputs)


def _input(source: FlowSource, entry: InputSource, findings: Findings) -> InputSpec:
    convert = converter(entry.type, entry.name)
    message_format = source.message_format.text.lower()
    own_images = images_reader(entry.type, entry.name, message_format, source.folder)

    def read(value: object) -> object:
        converted = convert(value)
        return converted if own_images is None else own_images(converted)

    default, refusal = usable_default(entry, read, findings)
    return InputSpec(
        name=entry.name,
        type=entry.type,
        required=entry.default is None,
        default=default,
        convert=convert,
        images=images_reader(entry.type, entry.name, message_format),
        refusal=refusal,
    )


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
    """Where in the frame everything lies: inputs, then literals, then results in the order of the steps.

    ``streamed`` names the parameter, by node, that gets whether the request asked for a stream: the last slot.
    """

    def __init__(self, source: FlowSource, wirings: tuple[Wiring, ...], streamed: Mapping[str, str]) -> None:
        self.inputs = {entry.name: slot for slot, entry in enumerate(source.inputs)}
        self.streamed = streamed
        literals = [
            value
            for wiring in wirings
            for name, value in wiring.arguments
            if isinstance(value, Literal) and name != streamed.get(wiring.loaded.node.name)
        ]
        literals += [wiring.when for wiring in wirings if isinstance(wiring.when, Literal)]
        self._literals = {id(literal): len(self.inputs) + index for index, literal in enumerate(literals)}
        self.literals = tuple(literal.value for literal in literals)
        first = len(self.inputs) + len(self.literals)
        self.results = {wiring.loaded.node.name: first + index for index, wiring in enumerate(wirings)}
        self.steps = {name: index for index, name in enumerate(self.results)}
        self.streaming = first + len(self.results) if streamed else None

    def reference(self, value: InputReference | NodeReference | Literal) -> Reference:
        """Where the frame has the value."""
        if isinstance(value, InputReference):
            return Reference(self.inputs[value.name], (), value.name, value.text)
        if isinstance(value, NodeReference):
            slot = self.results[value.node]
            return Reference(slot, read_path(value.property), value.node, value.text, value.property)
        return Reference(self._literals[id(value)], (), "", _shown(value.value))


def _shown(value: object) -> str:
    if isinstance(value, Connection):
        return f"connection {value.name!r}"
    return "the text of its template" if type(value).__name__ == "PromptTemplate" else repr(value)


def bind_steps(wirings: tuple[Wiring, ...], slots: Slots, escaping: Set[str]) -> tuple[Step, ...]:
    """The steps, ready to call. Everything they refer to must exist. ``escaping`` are prompts that models read."""
    return tuple(_step(wiring, slots, wiring.loaded.node.name in escaping) for wiring in wirings)


def _step(wiring: Wiring, slots: Slots, escapes: bool) -> Step:
    loaded, node = wiring.loaded, wiring.loaded.node
    function = wiring.function
    if escapes:
        function = escaping_prompt(cast(Render, function), bound_to_inputs(node))
    return Step(
        name=node.name,
        kind=loaded.kind,
        function=function,
        is_async=loaded.is_async,
        lane=loaded.lane,
        arguments=tuple(_arguments(wiring, slots)),
        result=slots.results[node.name],
        needs=tuple(sorted({slots.steps[name] for name in needed_names(node)})),
        guard=_guard(wiring, slots),
        source=f"{Path(node.span.file).name}:{node.span.line}",
        call=_call(wiring),
    )


def _arguments(wiring: Wiring, slots: Slots) -> Iterator[Argument]:
    streamed = slots.streamed.get(wiring.loaded.node.name)
    for name, value in wiring.arguments:
        if name != streamed:
            yield Argument(name, slots.reference(value), _is_optional(wiring.loaded, name))
    if streamed is not None:
        assert slots.streaming is not None, "some node is streamed"
        yield Argument(streamed, Reference(slots.streaming, (), "", "whether the request asks for a stream"))


def _call(wiring: Wiring) -> LlmCall | PromptyCall | ToolCall | None:
    """What the worker asks; of a built-in tool with the connection that the author names."""
    call = wiring.loaded.call
    if not isinstance(call, ToolCall):
        return call
    literals = [value.value for _, value in wiring.arguments if isinstance(value, Literal)]
    return msgspec.structs.replace(
        call, connection=next((one for one in literals if isinstance(one, Connection)), call.connection)
    )


def _guard(wiring: Wiring, slots: Slots) -> Guard | None:
    activate = wiring.loaded.node.activate
    if activate is None or wiring.when is None:
        return None
    return Guard(slots.reference(wiring.when), activate.equals)


def _is_optional(loaded: Loaded, name: str) -> bool:
    parameter = loaded.parameters.get(name)
    return parameter is not None and not parameter.required


def _warn_of_output(name: str, reference: NodeReference, span: SourceSpan, slots: Slots, findings: Findings) -> None:
    warn_of_path(reference, span, findings)
    if reference.node not in slots.results:
        aggregation = f"the output '{name}' comes from the aggregation node '{reference.node}'"
        findings.warning(span, f"{aggregation}, which is never run here: it is left out of responses")
    elif reference.section != "output":
        ignored = f"'{reference.section}' in the reference of the output '{name}' is read as 'output'"
        findings.warning(span, f"{ignored}; write{section_hint(reference)}")
