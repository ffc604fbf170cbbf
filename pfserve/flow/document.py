"""YAML with positions: a small tree of elements, read as YAML 1.2 reads scalars.

``yes``, ``no``, ``on`` and ``off`` are texts; ``010`` is ten; ``2024-02-01`` is a date. A file that is too large, too
deep or that grows too much by its aliases is refused, so that no file can keep the reader busy for long.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TypeAlias

import msgspec
import yaml

from pfserve.errors import CompileError
from pfserve.flow.source import SourceSpan

_LARGEST_BYTES = 1 << 20
_DEEPEST = 64
_MOST_ELEMENTS = 200_000  # with every alias written out


class Scalar(msgspec.Struct, frozen=True):
    """A text, number, truth value, date, or null."""

    value: object
    span: SourceSpan


class Entry(msgspec.Struct, frozen=True):
    """A key and its value. ``span`` is where the key stands."""

    key: object
    value: Element
    span: SourceSpan


class Mapping(msgspec.Struct, frozen=True):
    """Entries in the order of the file; merged ones (``<<``) last."""

    entries: tuple[Entry, ...]
    span: SourceSpan


class Sequence(msgspec.Struct, frozen=True):
    """Elements in the order of the file."""

    items: tuple[Element, ...]
    span: SourceSpan


Element: TypeAlias = Scalar | Mapping | Sequence


def read_document(content: bytes, file: str) -> Element:
    """The tree of a YAML file; an empty file gives a null.

    Raises:
        CompileError: the bytes are no usable YAML. All duplicate keys are told at once.
    """
    if len(content) > _LARGEST_BYTES:
        raise CompileError([SourceSpan(file, 0).mistake(f"larger than {_LARGEST_BYTES >> 20} MiB")])
    try:
        node = _Loader(content).get_single_node()
        return _TreeBuilder(file).build(node)
    except yaml.MarkedYAMLError as problem:
        mark = problem.problem_mark or problem.context_mark
        text = ", ".join(part for part in (problem.context, problem.problem) if part)
        raise CompileError([SourceSpan(file, mark.line + 1 if mark else 0).mistake(f"invalid YAML: {text}")]) from None
    except (yaml.YAMLError, UnicodeError) as problem:
        raise CompileError([SourceSpan(file, 0).mistake(f"invalid YAML: {problem}")]) from None


def plain(element: Element) -> object:
    """The element as Python's own values, without positions."""
    if isinstance(element, Scalar):
        return element.value
    if isinstance(element, Sequence):
        return [plain(item) for item in element.items]
    return {entry.key: plain(entry.value) for entry in element.entries}


# -- YAML 1.2 scalars ------------------------------------------------------------------------------

_MERGE = "tag:yaml.org,2002:merge"
_RESOLVERS = (
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("bool", r"true|True|TRUE|false|False|FALSE", list("tTfF")),
    ("int", r"[-+]?0b[0-1_]+|[-+]?0o[0-7_]+|[-+]?0x[0-9a-fA-F_]+|[-+]?[0-9][0-9_]*", list("-+0123456789")),
    (
        "float",
        r"[-+]?[0-9][0-9_]*\.[0-9_]*(?:[eE][-+]?[0-9]+)?|[-+]?[0-9][0-9_]*[eE][-+]?[0-9]+"
        r"|[-+]?\.[0-9][0-9_]*(?:[eE][-+]?[0-9]+)?|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)",
        list("-+0123456789."),
    ),
    (
        "timestamp",
        r"[0-9]{4}-[0-9]{2}-[0-9]{2}|[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}(?:[Tt]|[ \t]+)[0-9]{1,2}:[0-9]{2}:[0-9]{2}"
        r"(?:\.[0-9]*)?(?:[ \t]*(?:Z|[-+][0-9]{1,2}(?::[0-9]{2})?))?",
        list("0123456789"),
    ),
    ("merge", r"<<", ["<"]),
)


class _Loader(yaml.SafeLoader):
    """Composes nodes only; counts its own depth, since composing is recursive."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012 - how PyYAML declares it

    def __init__(self, content: bytes) -> None:
        super().__init__(content)
        self.depth = 0

    def compose_node(self, parent: yaml.Node | None, index: object) -> yaml.Node | None:
        if self.depth >= _DEEPEST:
            raise yaml.MarkedYAMLError(problem=f"nested deeper than {_DEEPEST}", problem_mark=self.get_mark())
        self.depth += 1
        node = super().compose_node(parent, index)  # type: ignore[arg-type]
        self.depth -= 1
        return node

    def construct_yaml_int(self, node: yaml.ScalarNode) -> int:
        text = self.construct_scalar(node).replace("_", "")
        prefixes = {"0b": 2, "0o": 8, "0x": 16}
        return int(text, prefixes.get(text.lstrip("+-")[:2], 10))


for _name, _pattern, _first in _RESOLVERS:
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_name}", re.compile(f"^(?:{_pattern})$"), _first)
_Loader.add_constructor("tag:yaml.org,2002:int", _Loader.construct_yaml_int)


class _TreeBuilder:
    """Turns composed nodes into elements. An aliased node is built once and shared."""

    def __init__(self, file: str) -> None:
        self._file = file
        self._loader = _Loader(b"")
        self._built: dict[int, tuple[Element, int]] = {}  # node identity -> element, size with aliases written out
        self._open: set[int] = set()
        self._duplicates: dict[SourceSpan, str] = {}

    def build(self, node: yaml.Node | None) -> Element:
        if node is None:
            return Scalar(None, SourceSpan(self._file, 0))
        element, _ = self._visit(node)
        if self._duplicates:
            raise CompileError([span.mistake(message) for span, message in self._duplicates.items()])
        return element

    def _visit(self, node: yaml.Node) -> tuple[Element, int]:
        identity = id(node)
        if identity in self._open:
            raise yaml.MarkedYAMLError(problem="an alias that contains itself", problem_mark=node.start_mark)
        if identity not in self._built:
            self._open.add(identity)
            self._built[identity] = self._element(node)
            self._open.discard(identity)
        if self._built[identity][1] > _MOST_ELEMENTS:
            raise yaml.MarkedYAMLError(problem="its aliases make it too large", problem_mark=node.start_mark)
        return self._built[identity]

    def _element(self, node: yaml.Node) -> tuple[Element, int]:
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node)
        if isinstance(node, yaml.SequenceNode):
            visited = [self._visit(item) for item in node.value]
            items = tuple(element for element, _ in visited)
            return Sequence(items, self._span(node)), 1 + sum(size for _, size in visited)
        return Scalar(self._scalar(node), self._span(node)), 1

    def _mapping(self, node: yaml.MappingNode) -> tuple[Element, int]:
        entries: dict[object, Entry] = {}
        merged: list[Entry] = []
        size = 1
        for key_node, value_node in node.value:
            value, value_size = self._visit(value_node)
            size += value_size
            if key_node.tag == _MERGE:
                merged += self._merged(value, value_node)
                continue
            key = self._key(key_node)
            if key in entries:
                first = entries[key].span.line
                self._duplicates[self._span(key_node)] = f"the key {key!r} stands here again, first on line {first}"
            else:
                entries[key] = Entry(key, value, self._span(key_node))
        for entry in merged:
            entries.setdefault(entry.key, entry)
        return Mapping(tuple(entries.values()), self._span(node)), size

    def _merged(self, value: Element, node: yaml.Node) -> Iterator[Entry]:
        for mapping in value.items if isinstance(value, Sequence) else (value,):
            if not isinstance(mapping, Mapping):
                raise yaml.MarkedYAMLError(problem="'<<' needs a mapping", problem_mark=node.start_mark)
            yield from mapping.entries

    def _key(self, node: yaml.Node) -> object:
        element, _ = self._visit(node)
        if not isinstance(element, Scalar):
            raise yaml.MarkedYAMLError(problem="a key must be a single value", problem_mark=node.start_mark)
        return element.value

    def _scalar(self, node: yaml.Node) -> object:
        try:
            return self._loader.construct_object(node)
        except (ValueError, LookupError, AttributeError) as problem:
            # a date that does not exist, a number beyond Python's limit of digits, what its explicit tag does not admit
            raise yaml.MarkedYAMLError(problem=f"{node.value!r}: {problem}", problem_mark=node.start_mark) from None

    def _span(self, node: yaml.Node) -> SourceSpan:
        return SourceSpan(self._file, node.start_mark.line + 1)
