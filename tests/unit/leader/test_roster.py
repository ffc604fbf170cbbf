"""The roster's decisions as named histories: what happens when, and what the leader is told to do."""

from __future__ import annotations

import pytest

from pfserve.leader.protocol import (
    Action,
    Announce,
    AskedDrain,
    AskedReplacement,
    AskedRetire,
    Beat,
    BecameReady,
    Dump,
    Event,
    Exited,
    FailedToBoot,
    Halt,
    Kill,
    Spawn,
    TellDrain,
    TellRetire,
)
from pfserve.leader.roster import MOVES, Patience, Phase, Roster
from pfserve.region import Departure

# The histories leave out the seconds in which nothing happens; the roster must not take these for a pause of its own.
PATIENCE = Patience(boot_timeout_s=20.0, stuck_after_s=30.0, finish_s=300.0, own_pause_s=1e9)
WITH_PAUSES = Patience(boot_timeout_s=20.0, stuck_after_s=30.0, finish_s=300.0, own_pause_s=5.0)
READY = [BecameReady(0), BecameReady(1)]

History = list[tuple[float, list[Event], list[Action]]]


def roster(workers: int = 2, patience: Patience = PATIENCE) -> Roster:
    return Roster(range(workers + 2), workers, patience)


def beats(at_s: float, *seats: int) -> list[Event]:
    return [Beat(seat, at_s) for seat in seats]


def enough(seat: int) -> list[Event]:
    return [AskedReplacement(seat, "has served 9", is_routine=True)]


STARTED: History = [
    (0.0, [], [Spawn(0), Spawn(1)]),
    (1.0, [*READY], [Announce()]),
]

HISTORIES: dict[str, History] = {
    "all become ready, which is announced once": [
        (0.0, [], [Spawn(0), Spawn(1)]),
        (1.0, [BecameReady(1)], []),
        (1.1, [BecameReady(0)], [Announce()]),
        (2.0, [], []),
    ],
    "a worker says why it cannot boot and exits, all at once: what it said is the generation's exit": [
        (0.0, [], [Spawn(0), Spawn(1)]),
        (1.0, [FailedToBoot(1, 3, "no flow"), Exited(1, "exited with code 3")], [Halt(3, "no flow")]),
    ],
    "one dies after a long life: it is replaced at once": [
        *STARTED,
        (5.0, [*beats(5.0, 0, 1), Exited(0, "was killed")], [Spawn(0)]),
        (5.1, [BecameReady(0)], []),
    ],
    "young deaths: the first is replaced at once, the second after a pause that doubles": [
        *STARTED,
        (1.1, [Exited(0, "died")], [Spawn(0)]),
        (1.2, [Exited(0, "died")], []),
        (1.25, [], []),
        (1.31, [], [Spawn(0)]),
        (1.4, [Exited(0, "died")], []),
        (1.55, [], []),
        (1.61, [], [Spawn(0)]),
    ],
    "a young death is forgiven after the window": [
        *STARTED,
        (1.1, [Exited(0, "died")], [Spawn(0)]),
        (1.2, [BecameReady(0)], []),
        (32.0, [*beats(32.0, 0, 1)], []),
        (32.1, [*beats(32.0, 0, 1), Exited(0, "died")], [Spawn(0)]),
    ],
    "a worker that cannot boot ends the first boot with its own exit code and words": [
        (0.0, [], [Spawn(0), Spawn(1)]),
        (0.5, [FailedToBoot(1, 5, "the port is taken")], [Halt(5, "the port is taken")]),
        (0.6, [Exited(1, "exited")], []),
    ],
    "three silent deaths before anyone was ready: exit 4": [
        (0.0, [], [Spawn(0), Spawn(1)]),
        (0.5, [Exited(0, "was killed by SIGSEGV")], [Spawn(0)]),
        (0.6, [Exited(1, "was killed by SIGSEGV")], []),
        (0.7, [], [Spawn(1)]),
        (0.8, [Exited(0, "was killed by SIGSEGV")], [Halt(4, "the worker on seat 0 was killed by SIGSEGV")]),
    ],
    "one boot hangs from the start: its stack, its death, exit 4": [
        (0.0, [], [Spawn(0)]),
        (19.9, [], []),
        (20.0, [], [Dump(0, "did not get ready within 20 s"), Spawn(1)]),
        (20.2, [], []),
        (20.5, [], [Kill(0, "did not get ready within 20 s")]),
        (20.6, [Exited(0, "x")], [Halt(4, "the worker on seat 0 did not get ready within 20 s")]),
    ],
    "a respawn that cannot boot is tried again": [
        *STARTED,
        (5.0, [Exited(0, "was killed")], [Spawn(0)]),
        (5.1, [FailedToBoot(0, 4, "no descriptor left")], []),
        (5.2, [Exited(0, "exited with code 4")], [Spawn(0)]),
    ],
    "stuck: stack, replacement first, killed when that is ready": [
        *STARTED,
        (31.0, [*beats(31.0, 0), *beats(1.0, 1)], []),
        (32.0, [*beats(32.0, 0), *beats(1.0, 1)], [Dump(1, "has not beaten for 31.0 s"), Spawn(2)]),
        (33.0, [*beats(33.0, 0)], []),
        (33.5, [*beats(33.0, 0), BecameReady(2)], [Kill(1, "has not beaten for 31.0 s")]),
        (33.6, [Exited(1, "was killed by SIGKILL")], []),
    ],
    "stuck, and the replacement is there at once: its stack is written before it is killed": [
        *STARTED,
        (32.0, [*beats(32.0, 0)], [Dump(1, "has not beaten for 31.0 s"), Spawn(2)]),
        (32.1, [BecameReady(2)], []),
        (32.5, [], [Kill(1, "has not beaten for 31.0 s")]),
    ],
    "two have served enough: one after the other, no stack, the replacement first": [
        *STARTED,
        (10.0, [*beats(10.0, 0, 1), *enough(0), *enough(1)], [Spawn(2)]),
        (10.1, [BecameReady(2)], [TellRetire(0, 310.1, "has served 9")]),
        (10.2, [*beats(10.0, 0, 1, 2), Exited(0, "exited with code 0")], []),
        (14.9, [*beats(14.0, 1, 2)], []),
        (15.0, [*beats(15.0, 1, 2)], [Spawn(0)]),
        (15.1, [BecameReady(0)], [TellRetire(1, 315.1, "has served 9")]),
    ],
    "recycled ones take long to go: no third of four seats, and a stuck one still finds its replacement": [
        *STARTED,
        (10.0, [*beats(10.0, 0, 1), *enough(0), *enough(1)], [Spawn(2)]),
        (10.1, [BecameReady(2)], [TellRetire(0, 310.1, "has served 9")]),
        (16.0, [*beats(16.0, 0, 1, 2)], []),
        (46.5, [*beats(46.0, 0, 2)], [Dump(1, "has not beaten for 30.5 s"), Spawn(3)]),
        (47.0, [*beats(46.5, 0, 2), BecameReady(3)], [Kill(1, "has not beaten for 30.5 s")]),
    ],
    "served enough, but the replacement does not get ready: it goes on": [
        *STARTED,
        (10.0, [*beats(10.0, 0, 1), *enough(0)], [Spawn(2)]),
        (30.0, [*beats(30.0, 0, 1)], [Dump(2, "did not get ready within 20 s"), Spawn(3)]),
        (30.5, [*beats(30.5, 0, 1)], [Kill(2, "did not get ready within 20 s")]),
        (31.0, [*beats(31.0, 0, 1), BecameReady(3)], [TellRetire(0, 331.0, "has served 9")]),
    ],
    "served enough, then stuck: it does not wait for the replacement": [
        *STARTED,
        (10.0, [*beats(10.0, 0, 1), *enough(0)], [Spawn(2)]),
        (29.9, [*beats(29.9, 1)], []),
        (30.0, [*beats(30.0, 1)], [Dump(2, "did not get ready within 20 s"), Spawn(3)]),
        (40.5, [*beats(40.5, 1)], [Kill(0, "has served 9"), Kill(2, "did not get ready within 20 s")]),
    ],
    "served enough while another is getting ready: later": [
        *STARTED,
        (10.0, [*beats(10.0, 0, 1), Exited(1, "was killed")], [Spawn(1)]),
        (10.1, [*enough(0)], []),
        (10.2, [BecameReady(1)], [Spawn(2)]),
    ],
    "stuck, and the replacement does not come: killed when the boot time is over": [
        *STARTED,
        (32.0, [*beats(32.0, 0)], [Dump(1, "has not beaten for 31.0 s"), Spawn(2)]),
        (
            52.0,
            [*beats(52.0, 0)],
            [Dump(2, "did not get ready within 20 s"), Kill(1, "has not beaten for 31.0 s"), Spawn(3)],
        ),
        (52.6, [*beats(52.0, 0), Exited(1, "x")], [Kill(2, "did not get ready within 20 s")]),
    ],
    "stuck, but it came back: retired instead of killed": [
        *STARTED,
        (32.0, [*beats(32.0, 0)], [Dump(1, "has not beaten for 31.0 s"), Spawn(2)]),
        (32.5, [*beats(32.5, 1), BecameReady(2)], [TellRetire(1, 332.5, "has not beaten for 31.0 s")]),
        (40.0, [*beats(40.0, 0, 2), Exited(1, "exited with code 0")], []),
    ],
    "two replacements a minute, not three": [
        *STARTED,
        (32.0, [], [Dump(0, "has not beaten for 31.0 s"), Dump(1, "has not beaten for 31.0 s"), Spawn(2), Spawn(3)]),
        (
            32.5,
            [BecameReady(2), BecameReady(3)],
            [Kill(0, "has not beaten for 31.0 s"), Kill(1, "has not beaten for 31.0 s")],
        ),
        (32.6, [Exited(0, "x"), Exited(1, "x")], []),
        (63.0, [*beats(63.0, 2)], []),
        (93.0, [*beats(93.0, 2)], [Dump(3, "has not beaten for 60.5 s"), Spawn(0)]),
    ],
    "a worker without threads asks: replacement first, then it retires": [
        *STARTED,
        (3.0, [*beats(3.0, 0, 1), AskedReplacement(0, "all threads hang")], [Dump(0, "all threads hang"), Spawn(2)]),
        (3.2, [*beats(3.0, 0, 1), BecameReady(2)], [TellRetire(0, 303.2, "all threads hang")]),
        (
            303.8,
            [*beats(303.8, 0, 1, 2)],
            [Kill(0, "was replaced (all threads hang) and did not finish by its deadline")],
        ),
    ],
    "drain: all are told, the late one is killed, then it is over": [
        *STARTED,
        (
            10.0,
            [AskedDrain(5.0, 35.0)],
            [TellDrain(0, 5.0, 35.0, "the instance stops"), TellDrain(1, 5.0, 35.0, "the instance stops")],
        ),
        (16.0, [Exited(0, "exited with code 0")], []),
        (35.4, [], []),
        (35.5, [], [Kill(1, "did not finish by its deadline")]),
        (35.6, [Exited(1, "was killed by SIGKILL")], [Halt(0, "drained")]),
    ],
    "drain: nobody is replaced, and who was booting is killed": [
        *STARTED,
        (10.0, [Exited(0, "died")], [Spawn(0)]),
        (
            10.1,
            [AskedDrain(0.0, 35.0)],
            [Kill(0, "the generation ends"), TellDrain(1, 0.0, 35.0, "the instance stops")],
        ),
        (10.2, [Exited(0, "x"), Exited(1, "x")], [Halt(0, "drained")]),
    ],
    "drain: an earlier deadline wins, a later one changes nothing": [
        *STARTED,
        (
            10.0,
            [AskedDrain(0.0, 310.0)],
            [TellDrain(0, 0.0, 310.0, "the instance stops"), TellDrain(1, 0.0, 310.0, "the instance stops")],
        ),
        (11.0, [Exited(0, "x"), AskedDrain(0.0, 400.0)], []),
        (12.0, [AskedDrain(0.0, 37.0)], [TellDrain(1, 0.0, 37.0, "the instance stops")]),
        (37.5, [], [Kill(1, "did not finish by its deadline")]),
    ],
    "retirement: the connections go to the next generation, and the request timeout is the limit": [
        *STARTED,
        (
            10.0,
            [AskedRetire(310.0)],
            [
                TellRetire(0, 310.0, "the next generation serves"),
                TellRetire(1, 310.0, "the next generation serves"),
            ],
        ),
        (11.0, [Exited(0, "exited with code 0")], []),
        (310.5, [], [Kill(1, "did not finish by its deadline")]),
        (310.6, [Exited(1, "x")], [Halt(0, "drained")]),
    ],
    "a stop during a retirement is a drain, even if it may take longer; nothing undoes it": [
        *STARTED,
        (
            10.0,
            [AskedRetire(12.0)],
            [TellRetire(0, 12.0, "the next generation serves"), TellRetire(1, 12.0, "the next generation serves")],
        ),
        (
            11.0,
            [AskedDrain(0.0, 36.0)],
            [TellDrain(0, 0.0, 36.0, "the instance stops"), TellDrain(1, 0.0, 36.0, "the instance stops")],
        ),
        (11.1, [AskedRetire(12.0)], []),
        (13.0, [], []),
    ],
    "a fork that failed is tried again": [
        *STARTED,
        (5.0, [Exited(0, "was killed")], [Spawn(0)]),
        (5.0, [Exited(0, "could not be forked: out of memory")], [Spawn(0)]),
    ],
}
WORKERS = {"one boot hangs from the start: its stack, its death, exit 4": 1}


@pytest.mark.parametrize("name", HISTORIES)
def test_history(name: str) -> None:
    subject = roster(WORKERS.get(name, 2))
    for now_s, events, expected in HISTORIES[name]:
        assert subject.decide(now_s, events) == expected, f"at {now_s} s"


def fail_to_boot(subject: Roster, now_s: float, *serving: int) -> tuple[list[Action], float]:
    """One respawn more on seat 0 that cannot boot: what comes next, the next respawn or the end, and when."""
    actions = subject.decide(now_s, [*beats(now_s, *serving), FailedToBoot(0, 3, "no flow"), Exited(0, "exited")])
    while not [action for action in actions if isinstance(action, Spawn | Halt)]:
        now_s += subject.wake_after_s(now_s)
        actions = subject.decide(now_s, beats(now_s, *serving))
    return actions, now_s


def test_respawns_that_cannot_boot_do_not_end_those_that_serve() -> None:
    """As when the flow is broken on disk and each worker compiles it."""
    subject = roster()
    subject.decide(0.0, [])
    subject.decide(1.0, READY)
    assert subject.decide(5.0, [*beats(5.0, 0, 1), Exited(0, "was killed")]) == [Spawn(0)]
    now_s, pauses = 5.0, []
    for _ in range(40):
        failed_s = now_s + 0.1
        actions, now_s = fail_to_boot(subject, failed_s, 1)
        assert actions == [Spawn(0)]
        pauses.append(now_s - failed_s)
    assert pauses[:5] == pytest.approx([0.0, 0.1, 0.2, 0.4, 0.8])
    assert pauses[-30:] == pytest.approx([10.0] * 30)
    assert subject.decide(now_s + 0.1, [BecameReady(0), *beats(now_s, 1)]) == []
    assert subject.decide(now_s + 5, [Exited(0, "was killed"), *beats(now_s + 5, 1)]) == [Spawn(0)]
    assert fail_to_boot(subject, now_s + 5.1, 1) == ([Spawn(0)], now_s + 5.1), "it begins anew"


def test_respawns_that_cannot_boot_are_a_crash_loop_where_nobody_serves() -> None:
    subject = roster(1)
    subject.decide(0.0, [])
    subject.decide(1.0, [BecameReady(0)])
    actions, now_s = subject.decide(5.0, [*beats(5.0, 0), Exited(0, "was killed")]), 5.0
    for _ in range(11):
        assert actions == [Spawn(0)]
        actions, now_s = fail_to_boot(subject, now_s + 0.1)
    assert [type(action) for action in actions] == [Halt] and actions[0].exit_code == 6


@pytest.mark.parametrize(
    ("events", "how"),
    [
        ([], Departure.CRASHED),
        (enough(0), Departure.RECYCLED),
        ([AskedReplacement(0, "all threads hang")], Departure.STUCK),
        ([AskedDrain(0.0, 35.0)], Departure.DRAINED),
    ],
)
def test_how_a_departure_is_counted(events: list[Event], how: Departure) -> None:
    subject = roster()
    subject.decide(0.0, [])
    subject.decide(1.0, READY)
    subject.decide(10.0, [*beats(10.0, 0, 1), *events])
    assert subject.departure(0) is how


def test_after_a_stop_of_the_whole_tree_nobody_is_stuck_until_all_had_time_to_beat() -> None:
    subject = roster(patience=WITH_PAUSES)
    subject.decide(0.0, [])
    subject.decide(1.0, [*READY])
    assert subject.decide(3600.0, beats(1.0, 0, 1)) == []
    assert subject.decide(3602.0, beats(3601.0, 0)) == []
    assert subject.decide(3606.0, beats(3606.0, 0)) == [Dump(1, "has not beaten for 3605.0 s"), Spawn(2)]


def test_a_crash_loop_halts_with_exit_code_6() -> None:
    subject = roster(workers=1)
    subject.decide(0.0, [])
    subject.decide(0.1, [BecameReady(0)])
    now_s, deaths = 0.1, 0
    while now_s < 60.0:
        actions = subject.decide(now_s, [Exited(0, "died")] if subject.phase(0) is not Phase.EMPTY else [])
        deaths += 1 if subject.phase(0) is Phase.EMPTY else 0
        halts = [action for action in actions if isinstance(action, Halt)]
        if halts:
            assert halts[0].exit_code == 6
            assert halts[0].message == "11 workers died within 30 s; the last: the worker on seat 0 died"
            return
        now_s += 0.05
    raise AssertionError("it went on for a minute")


def test_deaths_that_are_far_apart_are_no_crash_loop() -> None:
    subject = roster(workers=1)
    subject.decide(0.0, [])
    for turn in range(200):
        now_s = 10.0 * turn
        actions = subject.decide(now_s, [BecameReady(0), Exited(0, "died")]) + subject.decide(now_s + 1.0, [])
        assert Spawn(0) in actions


def test_the_leader_wakes_for_what_is_due_next() -> None:
    subject = roster()
    subject.decide(0.0, [])
    assert subject.wake_after_s(0.0) == 1.0
    subject.decide(0.5, [*READY])
    subject.decide(0.6, [Exited(0, "died")])
    subject.decide(0.7, [Exited(0, "died")])
    assert subject.wake_after_s(0.75) == pytest.approx(0.05)


def test_every_phase_can_end_and_none_leads_back_to_life() -> None:
    assert set(MOVES) == set(Phase)
    assert all(Phase.EMPTY in MOVES[phase] for phase in Phase if phase is not Phase.EMPTY)
    assert [phase for phase in Phase if Phase.LIVE in MOVES[phase]] == [Phase.BOOTING]
