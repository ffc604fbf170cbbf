from __future__ import annotations

import io

from bench.blocks import Block, Kind
from bench.sample import LAYOUT, Cause, Outcome, Sample
from bench.trial.live import Live

MS = 1_000_000


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def block(*outcomes: Outcome) -> Block:
    samples = [Sample(0, 0, 1, 10 * MS, 0, 0, 0, 0, 0, 200, outcome, Cause.NONE, 0) for outcome in outcomes]
    return Block(Kind.SAMPLES, 0, b"".join(LAYOUT.pack(*sample) for sample in samples))


def test_a_line_tells_what_came_since_the_last():
    out = Terminal()
    live = Live(out, 100.0)
    live.see(block(Outcome.SUCCESS, Outcome.SUCCESS, Outcome.SUCCESS, Outcome.REFUSED))
    live.draw(100.1)
    assert out.getvalue() == ""
    live.draw(102.0)
    assert out.getvalue() == "\r\x1b[2K2 s  2 ok/s  0 refused/s  p50 10 ms  p95 10 ms  p99 10 ms  █"
    live.draw(103.0)
    assert out.getvalue().endswith("\r\x1b[2K3 s  0 ok/s  █▁")
    live.clear()
    assert out.getvalue().endswith("\r\x1b[2K")


def test_a_line_that_would_not_fit_loses_sparks_first():
    """A line that wraps cannot be drawn over."""
    live = Live(Terminal(), 0.0)
    for second in range(1, 30):
        live.see(block(Outcome.SUCCESS, Outcome.REFUSED))
        live.line(float(second), 200)
    live.see(block(Outcome.SUCCESS, Outcome.REFUSED))
    whole = live.line(30.0, 200)
    assert [len(live.line(30.0, width)) for width in (79, 60, 10)] == [79, 58, 10]
    assert whole.startswith("30 s  1 ok/s  1 refused/s  p50 10 ms  p95 10 ms  p99 10 ms  ")


def test_without_a_terminal_nothing_is_drawn():
    out = io.StringIO()
    live = Live(out, 0.0)
    live.see(block(Outcome.SUCCESS))
    live.draw(10.0)
    live.clear()
    assert out.getvalue() == ""
