"""A comparison beside an earlier one: only figures that another day and another machine do not move.

Those are ratios of neighbours in one run, and memory. Times are none, and neither is what leans on promptflow, which
itself moves by a quarter from run to run, and what is measured three times at most.
"""

from __future__ import annotations

from pathlib import Path

import msgspec

from .budgets import BUDGETS
from .change import MISTAKEN, Change, separate
from .compare import Comparison
from .mistake import Mistake
from .series import Series

LEAST = 0.10
LUCK = 0.05  # two runs of the same code differ by more than their rounds do
STEADY = (
    *("P1.async", "P1.sync", "P1.tls", "P3.rate", "P3.memory", "P3.flex-rate", "P3.flex-memory", "P4.rate"),
    *("P4.threads", "P11.log", "P11.metrics", "P12.scaling", "P14.rate", "P15.time"),
)


class Named(msgspec.Struct, frozen=True):
    """As much of a budget as is needed."""

    key: str


class Figure(msgspec.Struct, frozen=True):
    """Its samples. JSON has no word for what is no number: null."""

    samples: tuple[float | None, ...]


class Judged(msgspec.Struct, frozen=True):
    """A verdict."""

    budget: Named
    measured: Figure


class PastPart(msgspec.Struct, frozen=True):
    """The verdicts on one budget number, and why they may not be believed."""

    verdicts: tuple[Judged, ...]
    voids: tuple[str, ...] = ()


class Past(msgspec.Struct, frozen=True):
    """What ``compare --json`` wrote."""

    machine: dict[str, str]
    parts: dict[str, PastPart]


class Beside(msgspec.Struct, frozen=True):
    """What changed since, and what could not be looked at."""

    changes: tuple[Change, ...]
    left_out: tuple[str, ...]


def read_past(file: Path) -> Past:
    """Raises Mistake if it is not what ``compare --json`` writes."""
    try:
        return msgspec.json.decode(file.read_bytes(), type=Past)
    except (OSError, msgspec.DecodeError) as problem:
        raise Mistake(f"--baseline {file} is not what compare --json writes: {problem}") from None


def beside(now: Comparison, past: Past) -> Beside:
    """Every steady line that both runs have. A void run says nothing about its lines."""
    wanted, left_out = [], []
    for number, part in now.parts.items():
        old = past.parts.get(number)
        before = {judged.budget.key: judged.measured for judged in old.verdicts} if old else {}
        for verdict in part.verdicts:
            key = verdict.budget.key
            if reason := _why_not(key, before, bool(part.voids), bool(old and old.voids)):
                left_out.append(f"{key}: {reason}")
            else:
                wanted.append((key, verdict.measured, before[key]))
    level = MISTAKEN / max(1, len(wanted))
    changes = [_change(key, measured, figure, level) for key, measured, figure in wanted]
    return Beside(tuple(changes), tuple(left_out))


def _why_not(key: str, before: dict[str, Figure], now_void: bool, was_void: bool) -> str:
    """Why a line is not compared; "" if it is."""
    if key not in STEADY:
        return "another day moves it, or it is measured too seldom"
    if key not in before:
        return "the baseline does not have it"
    if now_void or was_void:
        return f"{'this run' if now_void else 'the baseline'} is void"
    return ""


def _change(key: str, measured: Series, before: Figure, level: float) -> Change:
    sense = next(budget.sense for budget in BUDGETS if budget.key == key)
    samples = tuple(sample for sample in before.samples if sample is not None)
    return separate(
        key, sense, measured, msgspec.structs.replace(measured, samples=samples), level=level, least=LEAST, luck=LUCK
    )
