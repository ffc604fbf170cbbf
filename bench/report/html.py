"""A document as one HTML file: nothing outside of it is needed, and its own policy lets it ask for nothing."""

from __future__ import annotations

import functools
import itertools
from pathlib import Path

import jinja2
import msgspec

from ..mistake import Mistake
from .document import Document, Plot

_HERE = Path(__file__).parent


def page(document: Document) -> str:
    """The file. Raises Mistake if the library that draws is not there."""
    try:
        from . import plots

        numbers = itertools.count()
        return _template().render(
            document=document,
            kind=lambda part: type(part).__name__,
            svg=lambda plot: plots.svg(plot, next(numbers)),
            warmth=_warmth,
            is_plot=lambda part: isinstance(part, Plot),
            css=(_HERE / "page.css").read_text(),
            js=(_HERE / "whatif.js").read_text(),
            seed=lambda part: msgspec.json.encode(part).decode(),
        )
    except ModuleNotFoundError as problem:
        raise Mistake(f"{problem}: an HTML report needs pip install 'pfserve[bench]'") from problem


@functools.cache
def _template() -> jinja2.Template:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_HERE), autoescape=True, trim_blocks=True, lstrip_blocks=True
    )
    return environment.get_template("page.html")


def _warmth(figure: float | None, rows: list[tuple[str, list[float | None]]]) -> float:
    """0 to 1, between the smallest and the largest of a grid."""
    known = [each for _, row in rows for each in row if each is not None]
    low, high = min(known), max(known)
    return 0.0 if figure is None else (figure - low) / (high - low) if high > low else 1.0
