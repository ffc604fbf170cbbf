"""What the code of a flex flow says about inputs and outputs: it counts instead of the file (contract 1.9, 4.1).

Promptflow allows only what clients can send and read as JSON. The messages are its own.
"""

from __future__ import annotations

import dataclasses
import enum
import inspect
from collections.abc import Iterable, Mapping

from pfserve.compiler.entry import Entry, named_parameters
from pfserve.compiler.findings import Findings
from pfserve.flow import FlexSource, InputSource, OutputSource, SourceSpan
from pfserve.values import annotation_members, type_of_annotation

MODEL_CONFIGURATIONS = ("AzureOpenAIModelConfiguration", "OpenAIModelConfiguration")

_EMPTY = inspect.Parameter.empty


def declared_by_code(
    source: FlexSource, entry: Entry, findings: Findings
) -> tuple[tuple[InputSource, ...], tuple[OutputSource, ...]]:
    """The flow's inputs and outputs, for clients. The file's own count where the code says none."""
    inputs = tuple(_input(one, entry.span) for one in entry.parameters)
    outputs = tuple(
        _output(name, type_of_annotation(kind), entry.span) for name, kind in _fields(entry.returns).items()
    )
    _check_parameters(entry, entry.parameters, findings)
    _check_returned(entry, findings)
    if entry.kind is not None:
        _check_parameters(entry, named_parameters(entry.kind.__init__)[1:], findings, with_objects=True)  # type: ignore[misc]
    return inputs or source.inputs, outputs or source.outputs


def _input(one: inspect.Parameter, span: SourceSpan) -> InputSource:
    return InputSource(
        name=one.name,
        type=type_of_annotation(one.annotation, one.default),
        default=_default_text(one.default),
        description="",
        is_chat_input=False,
        is_chat_history=False,
        span=span,
    )


def _default_text(default: object) -> object:
    """The default as promptflow writes it down: as text, and None as the empty one; None stands for no default."""
    if default is _EMPTY:
        return None
    if default is None:
        return ""
    return default.value if isinstance(default, enum.Enum) else str(default)


def _output(name: str, type_name: str, span: SourceSpan) -> OutputSource:
    return OutputSource(name, type_name, None, "", evaluation_only=False, is_chat_output=False, span=span)


def _fields(returns: object) -> Mapping[str, object]:
    """The fields of a dataclass or typed dict; none of anything else."""
    if dataclasses.is_dataclass(returns):
        return {one.name: one.type for one in dataclasses.fields(returns)}
    if isinstance(returns, type) and issubclass(returns, dict):
        return getattr(returns, "__annotations__", {})
    return {}


# -- what is not allowed ---------------------------------------------------------------------------


def _check_parameters(
    entry: Entry, parameters: Iterable[inspect.Parameter], findings: Findings, *, with_objects: bool = False
) -> None:
    for one in parameters:
        type_name = type_of_annotation(one.annotation, one.default)
        name = getattr(_sole(one.annotation), "__name__", "")
        if with_objects and (type_name == "connection" or name in MODEL_CONFIGURATIONS):
            continue
        if type_name == "connection":
            unfit = f"the input '{one.name}' of '{entry.name}' is a connection, which no request can give"
            findings.mistake(entry.span, f"{unfit}; let a class take it in its constructor")
        elif type_name == "object" and not _is_plain(one.annotation):
            _complain(entry, "input", one.name, findings)


def _check_returned(entry: Entry, findings: Findings) -> None:
    returns = _sole(entry.returns)
    fields = _fields(returns)
    for name, kind in fields.items():
        if type_of_annotation(kind) == "object" and not _is_plain(kind):
            _complain(entry, "output", name, findings)
    if not fields and returns not in (str, _EMPTY) and not _is_composite(returns):
        name = (entry.kind or entry.function).__name__
        wrong = (
            f"The return annotation of the entry function must be dataclass, TypedDict or string, but got {returns}."
        )
        findings.mistake(entry.span, f"Parse interface for '{name}' failed: {wrong}")


def _complain(entry: Entry, noun: str, name: str, findings: Findings) -> None:
    complex_type = f"The {noun} '{name}' is of a complex python type. Please use a dict instead."
    findings.mistake(entry.span, f"Parse interface for tool '{entry.name}' failed: {complex_type}")


def _is_plain(annotation: object) -> bool:
    return all(member in (dict, _EMPTY) for member in annotation_members(annotation))


def _sole(annotation: object) -> object:
    members = annotation_members(annotation)
    return members[0] if len(members) == 1 else annotation


def _is_composite(returns: object) -> bool:
    return dataclasses.is_dataclass(returns) or (
        isinstance(returns, type) and issubclass(returns, dict) and hasattr(returns, "__annotations__")
    )
