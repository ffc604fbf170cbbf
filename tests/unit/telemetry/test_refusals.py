"""Once a second per cause, as named histories."""

from __future__ import annotations

import pytest

from pfserve.telemetry import OnceASecond

HISTORIES = [
    ("the first is told", [("full", 0.0)], [1]),
    ("the first is told whatever the clock says", [("full", -5.0)], [1]),
    ("within a second silence", [("full", 0.0), ("full", 0.4), ("full", 0.999)], [1, 0, 0]),
    ("after it those held back count", [("full", 0.0), ("full", 0.4), ("full", 1.0)], [1, 0, 2]),
    ("and the count starts anew", [("full", 0.0), ("full", 0.4), ("full", 1.0), ("full", 2.5)], [1, 0, 2, 1]),
    ("causes do not mix", [("full", 0.0), ("slow", 0.1), ("full", 0.2), ("slow", 1.2)], [1, 1, 0, 1]),
]


@pytest.mark.parametrize(("events", "told"), [one[1:] for one in HISTORIES], ids=[one[0] for one in HISTORIES])
def test_history(events: list[tuple[str, float]], told: list[int]):
    refusals = OnceASecond()
    assert [refusals.count(cause, now_s) for cause, now_s in events] == told
