"""Who is cut off for being slow to take an answer."""

from __future__ import annotations

import pytest

from pfserve.web import Limits
from pfserve.web.unsent import overdue

LIMITS = Limits(keep_alive_s=75.0, unsent_bytes=1000)
NOW_S = 1000.0


class Fake:
    def __init__(self, name: str, idle_s: float, unsent: int = 0, progresses: bool = False) -> None:
        self.name = name
        self.since_s = NOW_S - idle_s
        self._unsent = unsent
        self._progresses = progresses

    def unsent_bytes(self, now_s: float) -> int:
        if self._progresses:
            self.since_s = now_s
        return self._unsent


@pytest.mark.parametrize(
    ("connections", "cut"),
    [
        ([Fake("idle", 74.0), Fake("idle for too long", 76.0)], ["idle for too long"]),
        ([Fake("takes nothing", 76.0, 10), Fake("takes little", 500.0, 10, progresses=True)], ["takes nothing"]),
        ([Fake("a", 1.0, 600), Fake("b", 3.0, 300), Fake("c", 2.0, 100)], []),
        ([Fake("a", 1.0, 600), Fake("b", 3.0, 300), Fake("c", 2.0, 101)], ["b"]),
        ([Fake("a", 1.0, 1600), Fake("b", 3.0, 300), Fake("c", 2.0, 300)], ["b", "c", "a"]),
        ([Fake("gone anyway", 76.0, 900), Fake("a", 1.0, 600)], ["gone anyway"]),
    ],
)
def test_who_is_cut_off(connections: list[Fake], cut: list[str]) -> None:
    assert [one.name for one in overdue(connections, NOW_S, LIMITS)] == cut
