"""What has changed beside a baseline, as text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from .change import Change, Outcome
from .report.comparison import figure, lines, table

_END = {
    True: "REGRESSED: chance gives this in less than one run of a hundred",
    False: "no regression is shown",
}


def page(baseline: Mapping[str, str], changes: Sequence[Change], notes: Sequence[str]) -> str:
    """Where it was measured, every line, what was left out or is doubted, the verdict."""
    blocks = [
        lines(f"{name}: {fact}" for name, fact in baseline.items()),
        table(("", "of the baseline", "min", "max", "p", ""), map(_row, changes)),
        lines(f"note: {note}" for note in notes),
        _END[regressed(changes)],
    ]
    return "\n\n".join(block for block in blocks if block)


def regressed(changes: Sequence[Change]) -> bool:
    """Whether any line did."""
    return any(change.outcome is Outcome.REGRESSED for change in changes)


def _row(change: Change) -> tuple[str, ...]:
    ratios = change.ratios
    figures = (figure(one) for one in (ratios.median, ratios.low, ratios.high))
    return (change.key, *figures, f"{change.p:.2g}", change.outcome.value)
