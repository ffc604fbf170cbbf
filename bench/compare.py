"""The comparison: the measurements that were asked for, one after the other, and what came of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import msgspec

from . import machine
from .backtest import back_test
from .budgets import BUDGETS
from .chains import chains
from .coldstart import cold_start
from .exhaustive import exhaustive
from .memory import memory
from .overload import overload
from .own import own
from .part import Part, Say, Settings
from .picture import picture
from .queueing import queueing
from .scaling import scaling
from .streaming import streaming
from .throughput import alone, loaded
from .upstream import upstream
from .waiting import mixed, parallel_async, parallel_sync
from .watched import watched

MEASURES: dict[str, Callable[[Settings, Say], Part]] = {
    "P1": loaded,
    "P2": alone,
    "P3": parallel_async,
    "P4": parallel_sync,
    "P5": chains,
    "P6": memory,
    "P7": cold_start,
    "P8": streaming,
    "P9": queueing,
    "P10": overload,
    "P11": watched,
    "P12": scaling,
    "P13": upstream,
    "P14": mixed,
    "P15": picture,
    "B1": own,
    "B2": exhaustive,
    "B3": back_test,
}


class Comparison(msgspec.Struct, frozen=True):
    """Where it ran, and the part of each budget number."""

    machine: dict[str, str]
    rounds: int
    seconds: int
    parts: dict[str, Part]

    @property
    def met(self) -> bool:
        """Whether every budget that was measured is met, by figures that can be believed."""
        parts = self.parts.values()
        return all(verdict.met for part in parts for verdict in part.verdicts) and not any(part.voids for part in parts)


def compare(numbers: Iterable[str], settings: Settings, say: Say) -> Comparison:
    """Measure the budgets of these numbers. Raises RuntimeError if a system does not start or answers wrongly."""
    facts = machine.facts()
    parts = {number: _measured(number, settings, say) for number in numbers}
    return Comparison(facts, settings.rounds, settings.seconds, parts)


def _measured(number: str, settings: Settings, say: Say) -> Part:
    """The part of a number, with a verdict on each of its lines."""
    part = MEASURES[number](settings, say)
    judged = {verdict.budget.key for verdict in part.verdicts}
    assert judged == {budget.key for budget in BUDGETS if budget.number == number}, (number, judged)
    return part
