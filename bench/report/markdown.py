"""A document as Markdown: everything but the pictures, whose words stay."""

from __future__ import annotations

from ..trial.page import Lines, Table, markdown_table
from .document import Code, Document, Heat, Part, Plot, WhatIf


def page(document: Document) -> str:
    """The text."""
    blocks = [f"# {document.title}", *document.summary]
    if document.warnings:
        blocks += ["**Warnings**", "\n".join(f"- {warning}" for warning in document.warnings)]
    for section in document.sections:
        blocks += [f"## {section.title}", *map(_part, section.parts)]
    return "\n\n".join(block for block in blocks if block) + "\n"


def _part(part: Part) -> str:
    if isinstance(part, Table):
        return f"### {part.title}\n\n{markdown_table(part)}"
    if isinstance(part, Lines):
        return f"### {part.title}\n\n" + "\n".join(f"- {line}" for line in part.lines) if part.lines else ""
    if isinstance(part, Heat):
        return f"### {part.title}\n\n{markdown_table(_grid(part))}\n\n{part.told}"
    if isinstance(part, Code):
        return f"### {part.title}\n\n```\n{part.text}```"
    if isinstance(part, Plot):
        return f"### {part.title}\n\n{part.told}"
    assert isinstance(part, WhatIf)
    return f"The model that `--format html` shows starts from: {part.origin}."


def _grid(heat: Heat) -> Table:
    rows = [
        (name, *(_cell(figure, is_chosen=heat.chosen == (row, column)) for column, figure in enumerate(figures)))
        for row, (name, figures) in enumerate(heat.rows)
    ]
    return Table(heat.title, (heat.corner, *heat.columns), rows)


def _cell(figure: float | None, *, is_chosen: bool) -> str:
    text = "" if figure is None else f"{figure:,.4g}"
    return f"**{text}**" if is_chosen else text
