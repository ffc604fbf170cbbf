"""The grammar of ``${…}`` (contract 3.4). Pure: text in, parts out."""

from __future__ import annotations

import re

import msgspec

from pfserve.plan import Access, AccessKind

_INPUT_PREFIXES = ("inputs.", "flow.")  # the second one is legacy
_PART = re.compile(r"(?P<word>\w+)|\['(?P<key>[^']*)'\]|\[(?P<index>\d+)\]")


class InputReference(msgspec.Struct, frozen=True):
    """``${inputs.name}``: all behind the prefix is the name."""

    text: str
    name: str


class NodeReference(msgspec.Struct, frozen=True):
    """``${node.section.property}``; without a section it is ``output``."""

    text: str
    node: str
    section: str
    property: str


def read_reference(value: object) -> InputReference | NodeReference | None:
    """What ``value`` refers to; None for a literal. Only ``${…}`` from end to end is a reference."""
    if not (isinstance(value, str) and len(value) > 2 and value.startswith("${") and value.endswith("}")):
        return None
    text = value[2:-1]
    for prefix in _INPUT_PREFIXES:
        if text.startswith(prefix):
            return InputReference(text, text.removeprefix(prefix))
    node, *rest = text.split(".", 2)
    return NodeReference(text, node, rest[0] if rest else "output", rest[1] if len(rest) > 1 else "")


def read_path(text: str) -> tuple[Access, ...]:
    """The parts of a property path; characters between them are skipped, as promptflow skips them."""
    return tuple(_access(part) for part in _PART.finditer(text))


def unread_part(text: str) -> str:
    """What :func:`read_path` skips besides dots: most likely a mistake of the author."""
    return _PART.sub("", text).replace(".", "")


def section_hint(reference: NodeReference) -> str:
    """How to write a reference whose section is not ``output``."""
    path = reference.section.removeprefix("output") if reference.section.startswith("output[") else ""
    rest = "".join(f".{part}" for part in (path, reference.property) if part)
    return f": ${{{reference.node}.output{rest}}}"


def _access(part: re.Match[str]) -> Access:
    if part["word"] is not None:
        return Access(AccessKind.NAME, part["word"])
    if part["key"] is not None:
        return Access(AccessKind.ITEM, part["key"])
    return Access(AccessKind.ITEM, int(part["index"]))
