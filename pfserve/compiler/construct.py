"""The object that the class of a flex flow makes: its arguments are found here, once; the object in each worker.

A message about it names parameters and never holds a value: arguments may be secrets (contract 10.1 row 5).
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

from pfserve.compiler.entry import Entry, named_parameters
from pfserve.compiler.findings import Findings
from pfserve.compiler.interface import MODEL_CONFIGURATIONS
from pfserve.connections import ConnectionProblem, Connections
from pfserve.errors import CompileError, did_you_mean
from pfserve.flow import FlexSource, SourceSpan
from pfserve.values import annotation_members, connection_classes, exception_text
from pfserve.values.connections import Connection

_AGGREGATE = "__aggregate__"
_LEAST_SECRET = 4  # characters: what is shorter is no secret, and stands in every text


def constructor(
    source: FlexSource, entry: Entry, given: Mapping[str, object], connections: Connections, findings: Findings
) -> Callable[[], Callable[..., object]] | None:
    """What makes the object and gives its call; None for a flow that is a function.

    Its arguments are those ``given`` by the operator, else those of the flow's sample; defaults of the file fill gaps.
    """
    if entry.kind is None:
        if given:
            names = ", ".join(given)
            findings.warning(source.entry.span, f"the entry is a function: nobody takes the init arguments {names}")
        return None
    _check_aggregate(entry, findings)
    arguments = dict(given or source.sample_init)
    for one in source.init:
        if one.default not in (None, ""):
            arguments.setdefault(one.name, one.default)
    parameters = {one.name: one for one in named_parameters(entry.kind.__init__)[1:]}  # type: ignore[misc]
    _check_names(source, entry, arguments, parameters, findings)
    resolver = _Resolver(source.entry.span, connections, findings)
    annotations = {name: one.annotation for name, one in parameters.items()}
    connections.fetch(_named_connections(arguments, annotations))
    resolved = {name: resolver.resolve(name, value, annotations.get(name)) for name, value in arguments.items()}
    return partial(_call_of, entry, resolved, source.entry.span)


def _named_connections(arguments: Mapping[str, object], annotations: Mapping[str, object]) -> Iterator[str]:
    for name, value in arguments.items():
        if isinstance(value, str) and connection_classes(annotations.get(name)):
            yield value


def _check_aggregate(entry: Entry, findings: Findings) -> None:
    """Promptflow would call it after a batch: it is never called here."""
    aggregate = getattr(entry.kind, _AGGREGATE, None)
    if aggregate is None:
        return
    bound = inspect.isfunction(inspect.getattr_static(entry.kind, _AGGREGATE))
    if len(inspect.signature(aggregate).parameters) != 1 + bound:
        findings.mistake(entry.span, "The __aggregate__ method should have only one parameter.")


def _check_names(
    source: FlexSource,
    entry: Entry,
    arguments: Mapping[str, object],
    parameters: Mapping[str, inspect.Parameter],
    findings: Findings,
) -> None:
    assert entry.kind is not None
    failed = f"Failed to initialize flow entry '{entry.kind.__name__}'"
    any_name = inspect.signature(entry.kind.__init__).parameters.values()  # type: ignore[misc]
    takes_any = any(one.kind is inspect.Parameter.VAR_KEYWORD for one in any_name)
    for name in arguments:
        if name not in parameters and not takes_any:
            strange = f"{failed}: its constructor takes no '{name}'{did_you_mean(name, parameters)}"
            findings.mistake(source.entry.span, strange)
    lacking = [
        name for name, one in parameters.items() if one.default is inspect.Parameter.empty and name not in arguments
    ]
    if lacking:
        ways = "give --init JSON or PF_FLOW_INIT_CONFIG, or a 'default' under 'init' of the flow's file"
        findings.mistake(source.entry.span, f"{failed}: its constructor needs {', '.join(map(repr, lacking))}; {ways}")


class _Resolver:
    """Puts objects in the place of the names of connections and of what describes a model."""

    def __init__(self, span: SourceSpan, connections: Connections, findings: Findings) -> None:
        self._span = span
        self._connections = connections
        self._findings = findings

    def resolve(self, name: str, value: object, annotation: object) -> object:
        """The argument as the constructor wants it."""
        kind = annotation_members(annotation)[0]
        try:
            if (classes := connection_classes(annotation)) and isinstance(value, str):
                return self._connections.get(value, classes[0])
            if isinstance(kind, type) and kind.__name__ in MODEL_CONFIGURATIONS:
                return self._model(kind, value)
        except ConnectionProblem as problem:
            self._findings.mistake(self._span, f"init parameter '{name}': {problem}")
        except Exception as problem:  # the class may be promptflow's own
            cause = f"({type(problem).__name__}) {_scrubbed(exception_text(problem), {name: value})}"
            self._findings.mistake(self._span, f"init parameter '{name}': {cause}")
        return value

    def _model(self, kind: Any, value: object) -> object:
        """A model's configuration: what its connection says is copied into it."""
        found = kind(**value) if isinstance(value, dict) else value
        if not isinstance(found, kind):
            raise TypeError(f"Model config value is not an instance of {kind}, got {type(value)}")
        if not getattr(found, "connection", None):
            return found
        deployment = "azure_deployment" if hasattr(found, "azure_deployment") else "model"
        expected = "AzureOpenAIConnection" if deployment == "azure_deployment" else "OpenAIConnection"
        connection = self._connections.get(found.connection, expected)
        return kind.from_connection(connection=connection, **{deployment: getattr(found, deployment)})


def _call_of(entry: Entry, arguments: Mapping[str, object], span: SourceSpan) -> Callable[..., object]:
    """Make the object; give its call."""
    assert entry.kind is not None
    try:
        made = entry.kind(**arguments)
    except KeyboardInterrupt:
        raise
    except BaseException as problem:  # the author's code may raise anything
        names = ", ".join(map(repr, arguments)) or "none"
        cause = f"({type(problem).__name__}) {_scrubbed(exception_text(problem), arguments)}"
        told = f"Failed to initialize flow entry '{entry.kind.__name__}' with the init arguments {names}: {cause}"
        raise CompileError([span.mistake(told)]) from None
    return made.__call__  # type: ignore[no-any-return]


def _scrubbed(text: str, arguments: Mapping[str, object]) -> str:
    """The text without any value of the arguments."""
    for name, value in arguments.items():
        for secret in sorted(_texts(value), key=len, reverse=True):
            text = text.replace(secret, f"<value of '{name}'>")
    return text


def _texts(value: object) -> Iterator[str]:
    if isinstance(value, str | int | float) and not isinstance(value, bool):
        yield from [text for text in (str(value),) if len(text) >= _LEAST_SECRET]
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from _texts(item)
    elif isinstance(value, list | tuple | set):
        for item in value:
            yield from _texts(item)
    elif isinstance(value, Connection):
        yield from _texts({**value.configs, **value.secrets})
    elif value is not None and hasattr(value, "__dict__"):
        yield from _texts(dict(vars(value)))
