from __future__ import annotations

import pytest

from pfserve.compiler.reference import InputReference, NodeReference, read_path, read_reference, unread_part
from pfserve.plan import Access, AccessKind

LITERALS = ["", "$", "${", "${}x", "x${a}", "${a", "{a}", "a", 5, None, ["${a}"], "$ {a}", " ${a}"]


@pytest.mark.parametrize("value", LITERALS)
def test_a_literal_is_no_reference(value: object) -> None:
    assert read_reference(value) is None


REFERENCES = {
    "${inputs.text}": InputReference("inputs.text", "text"),
    "${inputs.a.b}": InputReference("inputs.a.b", "a.b"),
    "${flow.text}": InputReference("flow.text", "text"),
    "${node}": NodeReference("node", "node", "output", ""),
    "${node.output}": NodeReference("node.output", "node", "output", ""),
    "${node.output.a.b[0]}": NodeReference("node.output.a.b[0]", "node", "output", "a.b[0]"),
    "${node.other.a}": NodeReference("node.other.a", "node", "other", "a"),
    "${ node.output}": NodeReference(" node.output", " node", "output", ""),
    "${inputs}": NodeReference("inputs", "inputs", "output", ""),
    "${}": NodeReference("", "", "output", ""),
}


@pytest.mark.parametrize("value", REFERENCES)
def test_a_reference_has_parts(value: str) -> None:
    assert read_reference(value) == REFERENCES[value]


def name(key: str) -> Access:
    return Access(AccessKind.NAME, key)


def item(key: str | int) -> Access:
    return Access(AccessKind.ITEM, key)


PATHS = {
    "": ((), ""),
    "a": ((name("a"),), ""),
    "a.b": ((name("a"), name("b")), ""),
    "a[0].b": ((name("a"), item(0), name("b")), ""),
    "['k e']": ((item("k e"),), ""),
    "['k e']z": ((item("k e"), name("z")), ""),
    ".a": ((name("a"),), ""),
    "l.0": ((name("l"), name("0")), ""),
    '["l"]': ((name("l"),), '[""]'),
    "a-b": ((name("a"), name("b")), "-"),
    "l[-1]": ((name("l"), name("1")), "[-]"),
}


@pytest.mark.parametrize("text", PATHS)
def test_a_property_path_is_read_as_promptflow_reads_it(text: str) -> None:
    parts, unread = PATHS[text]
    assert read_path(text) == parts
    assert unread_part(text) == unread
