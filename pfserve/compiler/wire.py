"""Fourth pass: what every node is called with. Literals are converted here, once."""

from __future__ import annotations

import contextlib
import copy
import importlib
from collections.abc import Callable, Iterator, Mapping

import msgspec

from pfserve.compiler.assistant import Assistants
from pfserve.compiler.findings import Findings
from pfserve.compiler.index_node import NAMED_BY, IndexProblem, read_index
from pfserve.compiler.load import Loaded
from pfserve.compiler.missing import install_hint
from pfserve.compiler.reference import InputReference, NodeReference, read_reference, unread_part
from pfserve.compiler.signature import Parameter
from pfserve.connections import ConnectionProblem, Connections
from pfserve.errors import UserError, did_you_mean
from pfserve.flow import FlowSource, NodeInputSource, NodeSource, SourceSpan
from pfserve.plan import StepKind, ToolCall
from pfserve.values import (
    TYPES,
    ConversionError,
    convert_literal,
    exception_text,
    images_reader,
    is_strong_connection,
)
from pfserve.values.connection_form import strong_type
from pfserve.values.connections import CustomConnection, CustomStrongTypeConnection


class Literal(msgspec.Struct, frozen=True):
    """A value that the author wrote, as the node gets it. Known by identity: two equal ones have two slots."""

    value: object


class Wiring(msgspec.Struct, frozen=True):
    """A node's function and its arguments before slots are known: references of the author, and literals."""

    loaded: Loaded
    function: Callable[..., object]
    arguments: tuple[tuple[str, InputReference | NodeReference | Literal], ...]
    when: InputReference | NodeReference | Literal | None  # of the node's ``activate``


def wire_nodes(
    source: FlowSource, loaded: Mapping[str, Loaded], connections: Connections, findings: Findings
) -> tuple[Wiring, ...]:
    """What each loaded node is called with; literals that do not fit are reported."""
    connections.fetch(_named_connections(loaded))
    wirer = _Wirer(source, connections, findings)
    return tuple(wirer.wire(node) for node in loaded.values())


def _named_connections(loaded: Mapping[str, Loaded]) -> Iterator[str]:
    """The connections that nodes get as arguments."""
    for node in loaded.values():
        for given in node.node.inputs:
            parameter = node.parameters.get(given.name)
            is_one = parameter is not None and parameter.type_name == "connection" and given.is_given
            if is_one and read_reference(given.value) is None:
                yield str(given.value)


class _Wirer:
    """What wiring the nodes of one flow has in common."""

    def __init__(self, source: FlowSource, connections: Connections, findings: Findings) -> None:
        self._source = source
        self._connections = connections
        self._findings = findings
        self._assistants = Assistants(source, findings, self._bound)

    def _bound(self, loaded: Loaded) -> tuple[Callable[..., object], dict[str, object]]:
        """The function of an assistant's tool, and what is predefined for it."""
        arguments = dict(self._arguments(loaded))
        for name, value in arguments.items():
            if not isinstance(value, Literal):
                unbound = f"requires a literal value, but ${{{value.text}}} was received"
                self._findings.mistake(_span_of(loaded, name), f"the predefined input '{name}' {unbound}")
        function = loaded.function if loaded.provider is None else self._method(loaded, arguments)
        of_class = loaded.provider.parameters if loaded.provider else {}
        literals = {name: value.value for name, value in arguments.items() if isinstance(value, Literal)}
        return function, {name: value for name, value in literals.items() if name not in of_class}

    def wire(self, loaded: Loaded) -> Wiring:
        _warn_of_signature(loaded, self._findings)
        arguments = dict(self._arguments(loaded))
        function = loaded.function
        if isinstance(loaded.call, ToolCall):
            arguments |= self._index(loaded, arguments)
        elif loaded.provider is not None:
            function = self._method(loaded, arguments)
            arguments = {name: value for name, value in arguments.items() if name not in loaded.provider.parameters}
        return Wiring(loaded, function, tuple(arguments.items()), self._when(loaded.node))

    def _when(self, node: NodeSource) -> InputReference | NodeReference | Literal | None:
        if node.activate is None:
            return None
        reference = read_reference(node.activate.when)
        if reference is None:
            runs = "always" if node.activate.when == node.activate.equals else "never"
            fixed = f"the 'activate' of node '{node.name}' compares two literals: the node {runs} runs"
            self._findings.warning(node.activate.span, f"{fixed}; a reference (${{…}}) for 'when' is usual")
        return reference or Literal(node.activate.when)

    def _arguments(self, loaded: Loaded) -> Iterator[tuple[str, InputReference | NodeReference | Literal]]:
        for given in loaded.node.inputs:
            reference = read_reference(given.value)
            if isinstance(reference, NodeReference):
                warn_of_path(reference, given.span, self._findings)
            if reference is not None:
                yield given.name, reference
            elif given.is_given or loaded.kind is StepKind.PROMPT:  # whose templates see null, as None
                yield given.name, Literal(self._literal(loaded, given))
        for name, value in loaded.constants.items():
            yield name, Literal(value)

    # -- literals

    def _literal(self, loaded: Loaded, given: NodeInputSource) -> object:
        parameter = loaded.parameters.get(given.name)
        if parameter is None:
            return given.value
        what = f"Input '{given.name}' for node '{loaded.node.name}'"
        if parameter.type_name == "assistant_definition":
            return self._assistants.read(given, loaded.node)
        if parameter.type_name == "connection":
            return self._connection(loaded, given, parameter)
        elif parameter.type_name not in ("", *TYPES):
            unresolved = f"{what}: Unresolved input type {parameter.type_name!r}"
            self._findings.mistake(given.span, f"{unresolved}, please check if it is supported in current version.")
        else:
            try:
                return self._with_images(
                    given.name, parameter.type_name, convert_literal(parameter.type_name, given.value)
                )
            except ConversionError:
                self._findings.mistake(
                    given.span, f"{what} of value '{given.value}' is not type {parameter.type_name}."
                )
            except UserError as problem:
                self._findings.mistake(given.span, f"node '{loaded.node.name}': {problem.message}")
        return None

    def _with_images(self, name: str, type_name: str, value: object) -> object:
        read = images_reader(type_name, name, self._source.message_format.text.lower(), self._source.folder)
        return value if read is None else read(copy.deepcopy(value))  # it changes lists and dicts in place

    def _connection(self, loaded: Loaded, given: NodeInputSource, parameter: Parameter) -> object:
        name = str(given.value)
        try:
            connection = self._connections.get(name, parameter.connections[0])
            kind = type(connection).__name__
            if kind not in parameter.connections:
                what = f"Input '{given.name}' for node '{loaded.node.name}' of type '{kind}'"
                unfit = f"{what} is not supported, valid types {list(parameter.connections)}."
                self._findings.mistake(given.span, unfit)
            elif parameter.strong is not None and isinstance(connection, CustomConnection):
                return strong_type(connection, _own_class(connection) or parameter.strong)
            return connection
        except ConnectionProblem as problem:
            told = f"Get connection '{name}' for node '{loaded.node.name}' error: {problem}"
            self._findings.mistake(given.span, told)
        except (ImportError, AttributeError, TypeError) as problem:
            unusable = f"connection '{name}' for node '{loaded.node.name}' names a class that cannot be had: {problem}"
            self._findings.mistake(given.span, unusable + install_hint(problem))
        except KeyError as missing:
            kind = parameter.strong.__name__ if parameter.strong else ""
            lacking = f"connection '{name}' for node '{loaded.node.name}' lacks {missing}, which the class {kind} needs"
            self._findings.mistake(given.span, lacking)
        return None

    # -- tools that are methods

    def _index(
        self, loaded: Loaded, arguments: Mapping[str, InputReference | NodeReference | Literal]
    ) -> dict[str, Literal]:
        """The index that a look-up tool names, in the place of its name."""
        assert isinstance(loaded.call, ToolCall)
        values = self._constructor(loaded, arguments)
        named = NAMED_BY.get(loaded.call.tool)
        if named is None or values is None or values.get(named) is None:
            return {}
        others = {name: one.value for name, one in arguments.items() if isinstance(one, Literal)}
        try:
            index = read_index(loaded.call.tool, values[named], others, self._source.folder, self._connections)
        except IndexProblem as problem:
            self._findings.mistake(_span_of(loaded, named), f"node '{loaded.node.name}': {problem}")
            return {}
        return {named: Literal(index)}

    def _constructor(
        self, loaded: Loaded, arguments: Mapping[str, InputReference | NodeReference | Literal]
    ) -> dict[str, object] | None:
        """The arguments of the constructor, all of them literals; None if some do not fit, which is reported."""
        provider, node = loaded.provider, loaded.node
        if provider is None:
            return {}
        given = {name: value for name, value in arguments.items() if name in provider.parameters}
        for name, value in given.items():
            if not isinstance(value, Literal):
                unbound = f"Initialization input '{name}' requires a literal value, but ${{{value.text}}} was received."
                self._findings.mistake(
                    _span_of(loaded, name), f"Invalid input for '{provider.tool_name}': {unbound} (node '{node.name}')"
                )
        missing = [name for name, one in provider.parameters.items() if one.required and name not in given]
        if missing:
            absent = f"Required inputs {missing} are not provided for tool '{provider.tool_name}'."
            self._findings.mistake(node.span, f"node '{node.name}': {absent}")
        values = {name: value.value for name, value in given.items() if isinstance(value, Literal)}
        return None if missing or len(values) < len(given) else values

    def _method(
        self, loaded: Loaded, arguments: Mapping[str, InputReference | NodeReference | Literal]
    ) -> Callable[..., object]:
        """The tool as a method of an instance that is made here, once for all requests."""
        provider, node = loaded.provider, loaded.node
        assert provider is not None
        values = self._constructor(loaded, arguments)
        if values is None or self._findings.has_mistakes:
            return loaded.function  # the constructor is the author's code: it gets no values that nobody meant
        try:
            with contextlib.chdir(self._source.folder):
                return getattr(provider.kind(**values), provider.method)  # type: ignore[no-any-return]
        except Exception as problem:
            cause = f"({type(problem).__name__}) {exception_text(problem)}"
            failed = f"node '{node.name}': Failed to load package tool '{provider.tool_name}': {cause}"
            self._findings.mistake(node.source_path.span, failed)
            return loaded.function


def _own_class(connection: CustomConnection) -> type[CustomStrongTypeConnection] | None:
    """The author's class that the connection itself names (contract 6.7).

    Raises:
        ImportError, AttributeError: there is no such class.
        TypeError: it is no class of connections.
    """
    module, name = (connection.configs.get(f"promptflow.connection.{key}") for key in ("module", "custom_type"))
    if not module or not name:
        return None
    kind = getattr(importlib.import_module(str(module)), str(name))
    if not is_strong_connection(kind):
        raise TypeError(f"{module}.{name} is no class of connections")
    return kind


def _span_of(loaded: Loaded, name: str) -> SourceSpan:
    return next(given.span for given in loaded.node.inputs if given.name == name)


def _warn_of_signature(loaded: Loaded, findings: Findings) -> None:
    """What promptflow starts with all the same, and answers 400 to each request."""
    node, function = loaded.node, getattr(loaded.function, "__name__", "the tool")
    if isinstance(loaded.call, ToolCall):
        function = f"{loaded.call.api}()"
    elif loaded.call is not None:
        function = f"the {loaded.call.api} API"
    elif loaded.kind is not StepKind.PYTHON:
        return
    else:
        function += "()"
    of_class = loaded.provider.parameters if loaded.provider else {}
    given = [one.name for one in node.inputs if one.is_given]
    for name, parameter in loaded.parameters.items():
        if name not in given and parameter.required and name not in of_class:
            findings.warning(node.span, f"node '{node.name}' does not give '{name}', which {function} requires")
    if loaded.needs_positions:
        findings.warning(node.span, f"node '{node.name}' cannot give the positional-only parameters of {function}")
    for one in node.inputs:
        if one.name in given and one.name not in loaded.parameters and not loaded.takes_any_name:
            hint = did_you_mean(one.name, loaded.parameters)
            findings.warning(one.span, f"node '{node.name}' gives '{one.name}', which {function} does not take{hint}")


def warn_of_path(reference: NodeReference, span: SourceSpan, findings: Findings) -> None:
    """Warn of what a property path holds and nobody reads."""
    unread = unread_part(reference.property)
    if unread:
        odd = f"'{unread}' in the property path of ${{{reference.text}}} means nothing and is skipped"
        findings.warning(span, f"{odd}; write ['key'] or [0] for keys and indexes")
