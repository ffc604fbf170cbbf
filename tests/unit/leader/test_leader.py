"""What the leader does with decisions that have been overtaken."""

from __future__ import annotations

import pytest

from pfserve.leader import protocol as p
from pfserve.leader.leader import Leader


@pytest.mark.parametrize(
    "action",
    [p.TellDrain(0, 0.0, 1.0, "why"), p.TellRetire(0, 1.0, "why"), p.Kill(0, "why"), p.Dump(0, "why")],
    ids=lambda action: type(action).__name__,
)
def test_what_is_decided_for_a_worker_that_ended_in_the_same_turn_is_not_done(action: p.Action) -> None:
    leader = Leader.__new__(Leader)
    leader._hands = {}
    leader._do(action)  # the leader lives on
    assert leader._hands == {}
