"""Fourth pass: what every node is called with. Literals are converted here, once."""

from __future__ import annotations

import inspect
from collections.abc import Iterator

import msgspec

from pfserve.compiler.findings import Findings, did_you_mean
from pfserve.compiler.load import Loaded
from pfserve.compiler.reference import InputReference, NodeReference, read_reference, unread_part
from pfserve.flow import NodeInputSource, SourceSpan
from pfserve.plan import StepKind
from pfserve.values import ConversionError, convert_literal, holds_image, type_of_annotation

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


def _wire(loaded: Loaded, findings: Findings) -> Iterator[tuple[str, InputReference | NodeReference | Literal]]:
    for given in loaded.node.inputs:
        reference = read_reference(given.value)
        if isinstance(reference, NodeReference):
            warn_of_path(reference, given.span, findings)
        if reference is not None:
            yield given.name, reference
        elif given.is_given:
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
        value = convert_literal(kind, given.value)
    except ConversionError:
        what = f"Input '{given.name}' for node '{loaded.node.name}' of value '{given.value}'"
        findings.mistake(given.span, f"{what} is not type {kind}.")
        return None
    if holds_image(value):
        what = f"Input '{given.name}' for node '{loaded.node.name}'"
        findings.mistake(given.span, f"{what} holds an image, which this version cannot take yet")
    return value


def _warn_of_signature(loaded: Loaded, findings: Findings) -> None:
    """What promptflow starts with all the same, and answers 400 to each request."""
    if loaded.kind is not StepKind.PYTHON:
        return
    node, function = loaded.node, getattr(loaded.function, "__name__", "the tool")
    given = [one.name for one in node.inputs if one.is_given]
    for name, parameter in loaded.parameters.items():
        if name not in given and parameter.default is inspect.Parameter.empty:
            findings.warning(node.span, f"node '{node.name}' does not give '{name}', which {function}() requires")
    if loaded.needs_positions:
        findings.warning(node.span, f"node '{node.name}' cannot give the positional-only parameters of {function}()")
    for one in node.inputs:
        if one.name in given and one.name not in loaded.parameters and not loaded.takes_any_name:
            hint = did_you_mean(one.name, loaded.parameters)
            findings.warning(one.span, f"node '{node.name}' gives '{one.name}', which {function}() does not take{hint}")


def warn_of_path(reference: NodeReference, span: SourceSpan, findings: Findings) -> None:
    """Warn of what a property path holds and nobody reads."""
    unread = unread_part(reference.property)
    if unread:
        odd = f"'{unread}' in the property path of ${{{reference.text}}} means nothing and is skipped"
        findings.warning(span, f"{odd}; write ['key'] or [0] for keys and indexes")
