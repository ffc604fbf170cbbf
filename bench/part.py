"""What the measurement of one budget number gives back, and the settings that all of them share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import msgspec

from .budgets import Verdict
from .series import Series

Say = Callable[[str], None]  # told what happens, one line each


class Settings(msgspec.Struct, frozen=True):
    """How long and with what to measure."""

    rounds: int
    seconds: int  # of load, per system and round
    examples: Path  # the folder of example flows
    promptflow: Callable[[], Path]  # gives the interpreter that has promptflow


class Part(msgspec.Struct, frozen=True):
    """The measurements for one budget number."""

    series: tuple[Series, ...]
    verdicts: tuple[Verdict, ...]
    voids: tuple[str, ...] = ()  # why figures here may not be believed
