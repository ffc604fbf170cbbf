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
        lines(f"{name}: {fact}" for name, fact in comparison.machine.items()),
        f"{comparison.rounds} rounds of {comparison.seconds} s, systems in turn",
        *(table(("", "system", "median", "min", "max", ""), map(_series_row, part.series)) for part in parts),
        table(
            ("", "budget", "measured", "min", "max", "limit", ""),
            (_verdict_row(verdict) for part in parts for verdict in part.verdicts),
        ),
        lines(f"void: {void}" for part in parts for void in part.voids),
        "every budget measured is met" if comparison.met else "NOT every budget measured is met",
    ]
    return "\n\n".join(block for block in blocks if block)


def _series_row(series: Series) -> tuple[str, ...]:
    figures = map(figure, (series.median, series.low, series.high))
    return (series.quantity, series.system, *figures, series.unit)


def _verdict_row(verdict: Verdict) -> tuple[str, ...]:
    budget, measured = verdict.budget, verdict.measured
    figures = map(figure, (measured.median, measured.low, measured.high))
    limit = f"{budget.sense.value} {budget.limit:g} {budget.unit}"
    return (budget.key, budget.what, *figures, limit, "met" if verdict.met else "MISSED")


def figure(value: float) -> str:
    """Three significant digits, and no exponent."""
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.3f}" if abs(value) < 1 else f"{value:.2f}"


def table(heads: Sequence[str], rows: Iterable[tuple[str, ...]]) -> str:
    """Columns as wide as they must be."""
    whole = [tuple(heads), *rows]
    widths = [max(map(len, column)) for column in zip(*whole, strict=True)]
    return lines(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in whole
    )


def lines(texts: Iterable[str]) -> str:
    """One below the other."""
    return "\n".join(texts)
