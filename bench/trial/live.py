"""One line on a terminal while a trial runs. Where there is no terminal, nothing."""

from __future__ import annotations

import os
import time
from collections import Counter, deque
from typing import TextIO

from ..blocks import Block, Kind
from ..durations import written
from ..histogram import Histogram
from ..sample import LAYOUT, Outcome, Sample
from .page import sparks

DRAW_S = 0.5
SPARKS = 30
COLUMNS = 80  # where the terminal does not say


class Live:
    """Fed with every block; draws what came since the last time."""

    def __init__(self, out: TextIO, now_s: float) -> None:
        self._out = out
        self._is_on = out.isatty()
        self._began_s = self._drawn_s = now_s
        self._latency = Histogram()
        self._outcomes: Counter[Outcome] = Counter()
        self._rates: deque[float] = deque(maxlen=SPARKS)

    def see(self, block: Block) -> None:
        """One block of a generator."""
        if not self._is_on or block.kind != Kind.SAMPLES:
            return
        for fields in LAYOUT.iter_unpack(block.payload):
            sample = Sample._make(fields)
            self._outcomes[Outcome(sample.outcome)] += 1
            if sample.outcome == Outcome.SUCCESS:
                self._latency.record(sample.latency_ns)

    def draw(self, now_s: float) -> None:
        """Draw, if it is time."""
        if not self._is_on or now_s < self._drawn_s + DRAW_S:
            return
        self._out.write(f"\r\x1b[2K{self.line(now_s, _columns(self._out) - 1)}")
        self._out.flush()
        self._latency, self._outcomes, self._drawn_s = Histogram(), Counter(), now_s

    def line(self, now_s: float, width: int) -> str:
        """What to draw. A line that wraps could not be drawn over."""
        lasted_s = now_s - self._drawn_s
        self._rates.append(self._outcomes[Outcome.SUCCESS] / lasted_s)
        shown = [f"{now_s - self._began_s:.0f} s", f"{self._rates[-1]:,.0f} ok/s"]
        shown += [
            f"{self._outcomes[outcome] / lasted_s:,.0f} {outcome.name.lower().replace('_', ' ')}/s"
            for outcome in Outcome
            if outcome is not Outcome.SUCCESS and self._outcomes[outcome]
        ]
        if self._latency.counts:
            shown += [f"p{percent} {written(self._latency.percentile(percent) / 1e9)}" for percent in (50, 95, 99)]
        text = "  ".join(shown)[:width]
        room = width - len(text) - 2
        return f"{text}  {sparks(list(self._rates)[-room:])}" if room > 0 else text

    def clear(self) -> None:
        """Leave the line as it was."""
        if self._is_on:
            self._out.write("\r\x1b[2K")
            self._out.flush()


def _columns(out: TextIO) -> int:
    try:
        return os.get_terminal_size(out.fileno()).columns or COLUMNS
    except OSError:
        return COLUMNS


def live(out: TextIO) -> Live:
    """From now on."""
    return Live(out, time.monotonic())
