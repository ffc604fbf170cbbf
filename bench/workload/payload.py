"""Bodies from a file: JSON lines, CSV, or a JSON document such as a flow's samples.json."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path

import msgspec

from ..mistake import Mistake
from .template import PLACE, Template


def from_file(path: Path) -> tuple[str, ...]:
    """The bodies in ``path``, by its suffix. Places (``{{seq}}``) are checked, not filled.

    ``.jsonl``: a body a line. ``.csv``: a body a row, the head naming the inputs, which stay texts: the server coerces
    them. Anything else is one JSON document: of a list every element is a body. Raises Mistake.
    """
    read: Callable[[str], list[str]] = {".jsonl": _lines, ".csv": _rows}.get(path.suffix.lower(), _document)
    try:
        bodies = read(path.read_text(encoding="utf-8-sig"))
        for body in bodies:
            Template(body)
    except (OSError, UnicodeDecodeError, csv.Error, Mistake) as problem:
        raise Mistake(f"--payload {path}: {problem}") from problem
    if not bodies:
        raise Mistake(f"--payload {path}: no request is in it")
    return tuple(bodies)


def _lines(text: str) -> list[str]:
    bodies = [(number, line) for number, line in enumerate(text.splitlines(), 1) if line.strip()]
    for number, line in bodies:
        _check_json(line, f"line {number}: ")
    return [line for _, line in bodies]


def _rows(text: str) -> list[str]:
    rows = list(csv.reader(text.splitlines(keepends=True), strict=True))
    head = rows[0] if rows else []
    bodies = []
    for number, row in enumerate(rows[1:], 2):
        if not row:
            continue
        if len(row) != len(head):
            raise Mistake(f"row {number} has {len(row)} cells, the head has {len(head)}")
        bodies.append(msgspec.json.encode(dict(zip(head, row, strict=True))).decode())
    return bodies


def _document(text: str) -> list[str]:
    """The elements as they were written: their bytes are the author's."""
    if not text.strip():
        return []
    _check_json(text, "")
    masked = _masked(text)
    if not masked.lstrip().startswith("["):
        return [text]
    decoder, bodies, at = json.JSONDecoder(), [], masked.index("[")
    while (at := _next(masked, at + 1)) < len(masked) and masked[at] != "]":
        _, end = decoder.raw_decode(masked, at)
        bodies.append(text[at:end])
        at = _next(masked, end)
        if masked[at] == "]":
            break
    return bodies


def _next(text: str, at: int) -> int:
    """The place of the first character from ``at`` on that is no space."""
    while at < len(text) and text[at].isspace():
        at += 1
    return at


def _check_json(text: str, where: str) -> None:
    try:
        msgspec.json.decode(_masked(text))
    except (msgspec.DecodeError, RecursionError) as problem:
        raise Mistake(f"{where}no JSON: {problem}") from problem


def _masked(text: str) -> str:
    """With a number of the same length in every place: outside quotes a place stands for a number."""
    return PLACE.sub(lambda place: "1" * len(place[0]), text)
