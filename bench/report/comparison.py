"""A comparison as text."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ..budgets import Verdict
from ..compare import Comparison
from ..series import Series


def report(comparison: Comparison) -> str:
    """Machine, every series, every budget, the doubts, the verdict."""
    parts = comparison.parts.values()
    blocks = [
        _lines(f"{name}: {fact}" for name, fact in comparison.machine.items()),
        f"{comparison.rounds} rounds of {comparison.seconds} s, systems in turn",
        *(_table(("", "system", "median", "min", "max", ""), map(_series_row, part.series)) for part in parts),
        _table(
            ("", "budget", "measured", "min", "max", "limit", ""),
            (_verdict_row(verdict) for part in parts for verdict in part.verdicts),
        ),
        _lines(f"void: {void}" for part in parts for void in part.voids),
        "every budget measured is met" if comparison.met else "NOT every budget measured is met",
    ]
    return "\n\n".join(block for block in blocks if block)


def _series_row(series: Series) -> tuple[str, ...]:
    figures = (_figure(figure) for figure in (series.median, series.low, series.high))
    return (series.quantity, series.system, *figures, series.unit)


def _verdict_row(verdict: Verdict) -> tuple[str, ...]:
    budget, measured = verdict.budget, verdict.measured
    figures = (_figure(figure) for figure in (measured.median, measured.low, measured.high))
    limit = f"{budget.sense.value} {budget.limit:g} {budget.unit}"
    return (budget.key, budget.what, *figures, limit, "met" if verdict.met else "MISSED")


def _figure(figure: float) -> str:
    """Three significant digits, and no exponent."""
    if abs(figure) >= 100:
        return f"{figure:,.0f}"
    return f"{figure:.1f}" if abs(figure) >= 10 else f"{figure:.3f}" if abs(figure) < 1 else f"{figure:.2f}"


def _table(heads: Sequence[str], rows: Iterable[tuple[str, ...]]) -> str:
    table = [tuple(heads), *rows]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    return _lines(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in table
    )


def _lines(lines: Iterable[str]) -> str:
    return "\n".join(lines)
