"""Plots as SVG inside the page, by matplotlib. Their colours are names that the page gives values to."""

from __future__ import annotations

import html
import io
import math
import re
from collections.abc import Sequence
from typing import Any

from .document import Axes, Plot

# Colours that stand for names: matplotlib wants values, and writes them out as they are.
_INK, _FAINT = "#0000f0", "#0000f1"
_LINES = tuple(f"#0000a{number}" for number in range(6))
_DASHES = ("-", "--", "-.", ":")
_NAMES = {_INK: "var(--ink)", _FAINT: "var(--faint)"} | {
    colour: f"var(--line-{number})" for number, colour in enumerate(_LINES)
}
_SETTINGS = {
    "svg.fonttype": "none",  # text stays text: it can be read aloud, found and scaled
    "svg.hashsalt": "pfserve-bench",
    "font.family": "sans-serif",
    "font.size": 10,
    "text.color": _INK,
    "axes.labelcolor": _INK,
    "axes.edgecolor": _FAINT,
    "axes.grid": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "grid.color": _FAINT,
    "grid.linewidth": 0.5,
    "xtick.color": _INK,
    "ytick.color": _INK,
    "legend.frameon": False,
}
_WIDE_IN, _HIGH_IN, _NAME_IN = 8.0, 2.7, 0.22
_SHORT = 16  # letters of a name that has room beside the plot
_NINES = (0.0, 50.0, 90.0, 99.0, 99.9, 99.99, 99.999)


def svg(plot: Plot, number: int) -> str:
    """The plot as an ``<svg>`` element; ``number`` is its own on the page."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    with mpl.rc_context(_SETTINGS):
        high_in = _HIGH_IN * len(plot.axes) + 0.3 + _NAME_IN * sum(map(_names_below, plot.axes))
        figure = Figure(figsize=(_WIDE_IN, high_in), layout="constrained")
        for asked, place in zip(plot.axes, figure.subplots(len(plot.axes), 1, squeeze=False)[:, 0], strict=True):
            _draw(asked, place)
        out = io.StringIO()
        figure.savefig(out, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    return _themed(out.getvalue(), plot, number)


def _draw(asked: Axes, place: Any) -> None:
    for number, line in enumerate(asked.lines):
        xs = [_nines(percent) for percent in line.xs] if asked.nines else line.xs
        style = _DASHES[number % len(_DASHES)] if asked.joined else "none"
        colour = _LINES[number % len(_LINES)]
        marks = {"marker": "o", "markersize": 4} if asked.dots else {}
        place.plot(xs, line.ys, label=line.name, color=colour, linestyle=style, linewidth=1.8, **marks)
    place.set(xlabel=asked.across, ylabel=asked.up)
    if asked.logarithmic and any(y > 0 for line in asked.lines for y in line.ys):
        place.set_yscale("log")
        _plain(place)
    else:
        place.set_ylim(bottom=0)
        place.yaxis.set_major_formatter(lambda value, _: f"{value:,.5g}")
    if asked.nines:
        _mark_nines(asked, place)
    else:
        if all(x == round(x) for line in asked.lines for x in line.xs):
            place.xaxis.get_major_locator().set_params(integer=True)
        place.xaxis.set_major_formatter(lambda value, _: f"{value:,.5g}")
    place.margins(x=0.02)
    if _names_below(asked):
        place.legend(loc="upper left", bbox_to_anchor=(0.0, -0.2))
    else:
        place.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0))


def _names_below(asked: Axes) -> int:
    """How many names of lines stand below the plot: there each is a row, beside it they have no room."""
    return len(asked.lines) if any(len(line.name) > _SHORT for line in asked.lines) else 0


def _plain(place: Any) -> None:
    """A logarithmic axis with figures that people write."""
    from matplotlib.ticker import LogLocator, NullFormatter

    place.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0), numticks=12))
    place.yaxis.set_major_formatter(lambda value, _: f"{value:,.5g}")
    place.yaxis.set_minor_formatter(NullFormatter())


def _nines(percent: float) -> float:
    """How many nines: 90 % is 1, 99 % is 2."""
    return -math.log10(1 - percent / 100)


def _mark_nines(asked: Axes, place: Any) -> None:
    highest = max((line.xs[-1] for line in asked.lines), default=90.0)
    marks = [percent for percent in _NINES if percent <= max(highest, 90.0)]
    place.set_xticks([_nines(percent) for percent in marks], [f"{percent:g} %" for percent in marks])


def _themed(text: str, plot: Plot, number: int) -> str:
    """Without the document around it, with named colours, and told to those who do not see it."""
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    for colour, name in _NAMES.items():
        text = text.replace(colour, name)
    text = re.sub(r'(<svg[^>]*?) width="[^"]*"', r"\1", text, count=1)
    text = re.sub(r'(<svg[^>]*?) height="[^"]*"', r"\1", text, count=1)
    text = re.sub(r"<defs>\s*<style[^>]*>.*?</style>\s*</defs>", "", text, count=1, flags=re.DOTALL)
    text = _apart(text, f"p{number}")
    label = _escaped([plot.title, plot.told])
    return text.replace("<svg", f'<svg role="img" aria-label="{label}"', 1)


def _apart(text: str, mark: str) -> str:
    """Ids of one picture are not those of another on the same page."""
    text = re.sub(r' id="([^"]+)"', rf' id="{mark}-\1"', text)
    text = text.replace("url(#", f"url(#{mark}-")
    return text.replace('href="#', f'href="#{mark}-')


def _escaped(words: Sequence[str]) -> str:
    return html.escape(". ".join(words), quote=True)
