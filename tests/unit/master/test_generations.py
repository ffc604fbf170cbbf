"""The master's decisions about generations as named histories: what happens when, and what it is told to do."""

from __future__ import annotations

import pytest

from pfserve.master.generations import MOVES, Generations, Phase, Terms
from pfserve.master.protocol import (
    Action,
    AskedReload,
    AskedStop,
    AskedTryAgain,
    BecameReady,
    BeginDrain,
    Compiled,
    Dump,
    Emptied,
    EndReload,
    Event,
    Exit,
    Failed,
    Fork,
    FoundUnshareable,
    Kill,
    LeaderExited,
    PostponeReload,
    Tell,
    TellDrain,
    TellRetire,
    Waits,
)

TERMS = Terms(
    boot_timeout_s=20.0, request_timeout_s=300.0, drain_delay_s=5.0, grace_s=25.0, preload=True, blocks=3, deaths=2
)
History = list[tuple[float, list[Event], list[Action]]]

READYING = "no reload: a generation is just getting ready"
UNSHAREABLE = "generation 2: the flow cannot be shared by a fork (a thread); compiling in each worker"
KILLED = "was killed by SIGKILL"
NOT_READY = "its workers were not ready within 20 s"
SERVING: History = [
    (0.0, [], [Fork(1, 0, True)]),
    (1.0, [Compiled(1), BecameReady(1)], []),
]
RELOADED: History = [
    *SERVING,
    (10.0, [AskedReload()], [Fork(2, 1, True)]),
    (11.0, [Compiled(2), BecameReady(2)], [EndReload(2, ""), TellRetire(1, 311.0)]),
]


ANOTHER = Tell("another reload follows: a generation is just getting ready, and may have read the flow before")


def died(generation: int) -> list[Event]:
    return [LeaderExited(generation, KILLED), Emptied(generation)]


def lost(generation: int) -> Tell:
    return Tell(f"the leader of generation {generation} {KILLED}; its workers died with it")


DENIED = "access denied. "
TOLD = Tell("generation 1 waits, and answers /score with 400: access denied.")
WAITING: History = [
    (0.0, [], [Fork(1, 0, True)]),
    (1.0, [Waits(1, DENIED), Compiled(1)], [TOLD]),
    (1.5, [BecameReady(1)], []),
]


def denied(generation: int) -> list[Event]:
    return [Waits(generation, DENIED), LeaderExited(generation, "exited with code 0"), Emptied(generation)]


HISTORIES: dict[str, History] = {
    "no access: waits, tries again ever more rarely, then serves": [
        *WAITING,
        (1.9, [], []),
        (2.0, [], [Fork(2, 1, True)]),
        (2.5, denied(2), []),
        (3.9, [], []),
        (4.0, [], [Fork(3, 1, True)]),
        (4.5, denied(3), []),
        (8.0, [], [Fork(4, 1, True)]),
        (20.0, denied(4), [Fork(5, 1, True)]),  # the time of the try counts
        (21.0, [Compiled(5), BecameReady(5)], [TellRetire(1, 321.0)]),
        (60.0, [], []),
    ],
    "no access: requests have it tried sooner, but not at once again": [
        *WAITING,
        (2.0, [], [Fork(2, 1, True)]),
        (2.1, denied(2), []),
        (4.0, [], [Fork(3, 1, True)]),
        (4.1, denied(3), []),
        (8.0, [], [Fork(4, 1, True)]),
        (8.1, denied(4), []),
        (9.0, [AskedTryAgain()], []),
        (12.9, [], []),
        (13.0, [], [Fork(5, 1, True)]),
        (13.1, [AskedTryAgain()], []),
        (13.2, denied(5), []),
        (18.0, [], [Fork(6, 1, True)]),
    ],
    "no access at a reload: the old generation goes on, and nothing is tried": [
        *SERVING,
        (10.0, [AskedReload()], [Fork(2, 1, True)]),
        (
            11.0,
            denied(2),
            [EndReload(2, "access denied."), Tell("generation 2 failed (access denied.); the one before goes on")],
        ),
        (60.0, [AskedTryAgain()], []),
    ],
    "no access, and something else is wrong, too: it goes on waiting": [
        *WAITING,
        (2.0, [], [Fork(2, 1, True)]),
        (
            2.1,
            [Failed(2, 3, "m"), LeaderExited(2, "exited with code 3"), Emptied(2)],
            [Tell("generation 2 failed (m); the one before goes on")],
        ),
        (4.0, [], [Fork(3, 1, True)]),
    ],
    "asked to stop while it waits": [
        *WAITING,
        (2.0, [], [Fork(2, 1, True)]),
        (2.1, [AskedStop()], [BeginDrain(), TellDrain(1, 5.0, 27.1), Kill(2, "asked to stop before it was ready")]),
        (3.0, [*died(2), LeaderExited(1, "exited with code 0"), Emptied(1)], [Exit(0)]),
    ],
    "the leader that waits is killed: the next one may wait, too": [
        *WAITING,
        (1.8, died(1), [lost(1), Fork(2, 0, True)]),
        (
            1.9,
            [Waits(2, DENIED), Compiled(2)],
            [Tell("generation 2 waits, and answers /score with 400: access denied.")],
        ),
        (2.0, [BecameReady(2)], []),
        (2.9, [], [Fork(3, 1, True)]),
    ],
    "asked to stop: all drain by the deadline, then exit 0": [
        *SERVING,
        (10.0, [AskedStop()], [BeginDrain(), TellDrain(1, 5.0, 35.0)]),
        (30.0, [LeaderExited(1, "exited with code 0")], []),
        (30.0, [Emptied(1)], [Exit(0)]),
    ],
    "asked to stop while no leader lives": [
        *SERVING,
        (10.0, died(1), [lost(1), Fork(2, 0, True)]),
        (11.0, [Compiled(2), BecameReady(2)], []),
        (12.0, died(2), [lost(2)]),
        (12.05, [AskedStop()], [BeginDrain(), Exit(0)]),
    ],
    "asked twice: now, and still exit 0": [
        *SERVING,
        (10.0, [AskedStop()], [BeginDrain(), TellDrain(1, 5.0, 35.0)]),
        (11.0, [AskedStop()], [Kill(1, "asked to stop now")]),
        (11.1, [AskedStop()], []),
        (11.2, died(1), [Exit(0)]),
    ],
    "both signals at once": [
        *SERVING,
        (10.0, [AskedStop(15), AskedStop(2)], [BeginDrain(), TellDrain(1, 5.0, 35.0), Kill(1, "asked to stop now")]),
    ],
    "one signal that comes twice at once, to the process and to its group, is one": [
        *SERVING,
        (10.0, [AskedStop(15), AskedStop(15)], [BeginDrain(), TellDrain(1, 5.0, 35.0)]),
        (10.05, [AskedStop(15)], []),
        (10.2, [AskedStop(15)], [Kill(1, "asked to stop now")]),
    ],
    "a leader that does not end is killed, and the exit code is 0 all the same": [
        *SERVING,
        (10.0, [AskedStop()], [BeginDrain(), TellDrain(1, 5.0, 35.0)]),
        (36.4, [], []),
        (36.5, [], [Kill(1, "did not finish by its deadline")]),
        (36.6, died(1), [Exit(0)]),
    ],
    "asked to stop while it compiles": [
        (0.0, [], [Fork(1, 0, True)]),
        (0.5, [AskedStop()], [BeginDrain(), Kill(1, "asked to stop before it was ready")]),
        (0.6, died(1), [Exit(0)]),
    ],
    "asked to stop while the workers get ready": [
        (0.0, [], [Fork(1, 0, True)]),
        (0.5, [Compiled(1)], []),
        (0.6, [AskedStop()], [BeginDrain(), TellDrain(1, 5.0, 25.6)]),
        (0.7, died(1), [Exit(0)]),
    ],
    "the first flow does not compile": [
        (0.0, [], [Fork(1, 0, True)]),
        (0.5, [Failed(1, 3, "flow.dag.yaml:3: no")], []),
        (0.6, [LeaderExited(1, "exited with code 3")], [Tell("generation 1 failed: flow.dag.yaml:3: no"), Exit(3)]),
    ],
    "the first workers cannot boot": [
        (0.0, [], [Fork(1, 0, True)]),
        (0.5, [Compiled(1), Failed(1, 4, "no memory")], []),
        (0.6, [LeaderExited(1, "exited with code 4")], [Tell("generation 1 failed: no memory"), Exit(4)]),
    ],
    "the first leader dies without a word": [
        (0.0, [], [Fork(1, 0, True)]),
        (0.6, [LeaderExited(1, KILLED)], [Tell(f"generation 1 failed: {KILLED}"), Exit(4)]),
    ],
    "the import hangs: stack, death, exit 4": [
        (0.0, [], [Fork(1, 0, True)]),
        (19.9, [], []),
        (20.0, [], [Dump(1)]),
        (20.4, [], []),
        (20.5, [], [Kill(1, "the flow was not imported and compiled within 20 s")]),
        (20.6, died(1), [Tell("generation 1 failed: the flow was not imported and compiled within 20 s"), Exit(4)]),
    ],
    "the workers are not ready in time, and the leader does not say so: exit 4": [
        (0.0, [], [Fork(1, 0, True)]),
        (1.0, [Compiled(1)], []),
        (25.9, [], []),
        (26.0, [], [Kill(1, NOT_READY)]),
        (26.1, died(1), [Tell(f"generation 1 failed: {NOT_READY}"), Exit(4)]),
    ],
    "a reload whose leader is stopped while its workers get ready": [
        *SERVING,
        (10.0, [AskedReload()], [Fork(2, 1, True)]),
        (11.0, [Compiled(2)], []),
        (36.0, [], [Kill(2, NOT_READY)]),
        (36.1, died(2), [EndReload(2, NOT_READY), Tell(f"generation 2 failed ({NOT_READY}); the one before goes on")]),
    ],
    "user code leaves a thread: a fresh leader that compiles in its workers": [
        (0.0, [], [Fork(1, 0, True)]),
        (
            0.5,
            [FoundUnshareable(1, "thread 'x'")],
            [Tell("generation 1: the flow cannot be shared by a fork (thread 'x'); compiling in each worker")],
        ),
        (0.6, [LeaderExited(1, "exited with code 0")], [Fork(2, 1, False)]),
        (0.7, [Emptied(1), Compiled(2), BecameReady(2)], []),
    ],
    "the serving leader is killed: a new one at once, the next after a pause, the third death ends it": [
        *SERVING,
        (10.0, died(1), [lost(1), Fork(2, 0, True)]),
        (11.0, [Compiled(2), BecameReady(2)], []),
        (12.0, died(2), [lost(2)]),
        (12.05, [], []),
        (12.1, [], [Fork(3, 0, True)]),
        (13.0, [Compiled(3), BecameReady(3)], []),
        (14.0, died(3), [lost(3), Tell("3 leaders died within 60 s"), Exit(6)]),
    ],
    "the next leader is killed before it serves: a death like another": [
        *SERVING,
        (10.0, died(1), [lost(1), Fork(2, 0, True)]),
        (10.5, died(2), [lost(2)]),
        (10.6, [], [Fork(3, 0, True)]),
        (11.0, [Compiled(3)], []),
        (11.5, died(3), [lost(3), Tell("3 leaders died within 60 s"), Exit(6)]),
    ],
    "the next leader says why it cannot serve: that is its word, not a death": [
        *SERVING,
        (10.0, died(1), [lost(1), Fork(2, 0, True)]),
        (10.5, [Failed(2, 3, "no"), *died(2)], [Tell("generation 2 failed: no"), Exit(3)]),
    ],
    "deaths far apart are no crash loop": [
        *SERVING,
        (100.0, died(1), [lost(1), Fork(2, 0, True)]),
        (101.0, [Compiled(2), BecameReady(2)], []),
        (200.0, died(2), [lost(2), Fork(3, 0, True)]),
        (201.0, [Compiled(3), BecameReady(3)], []),
        (300.0, died(3), [lost(3), Fork(4, 0, True)]),
    ],
    "the workers die in a loop: the leader's code is passed on": [
        *SERVING,
        (9.0, [Failed(1, 6, "20 workers died")], []),
        (9.1, [LeaderExited(1, "exited with code 6")], [Tell("generation 1 failed: 20 workers died"), Exit(6)]),
    ],
    "reload: the old generation retires once the new one is ready, and its seats are free again": [
        *RELOADED,
        (20.0, died(1), []),
        (30.0, [AskedReload()], [Fork(3, 0, True)]),
    ],
    "reload with a broken flow: the old generation goes on": [
        *SERVING,
        (10.0, [AskedReload()], [Fork(2, 1, True)]),
        (10.5, [Failed(2, 3, "no")], []),
        (10.6, died(2), [EndReload(2, "no"), Tell("generation 2 failed (no); the one before goes on")]),
        (20.0, [AskedReload()], [Fork(3, 1, True)]),
    ],
    "who asked for a reload that failed is told everything": [
        *SERVING,
        (10.0, [AskedReload(client=7)], [Fork(2, 1, True)]),
        (10.1, [AskedReload(client=8)], [PostponeReload(8), ANOTHER]),
        (10.5, [Failed(2, 3, "no", "no\nbecause")], []),
        (
            10.6,
            died(2),
            [
                EndReload(2, "no\nbecause"),
                Tell("generation 2 failed (no); the one before goes on"),
                Fork(3, 1, True),
            ],
        ),
    ],
    "a generation that makes way for one that compiles in each worker is no failed reload": [
        *SERVING,
        (10.0, [AskedReload()], [Fork(2, 1, True)]),
        (10.1, [FoundUnshareable(2, "a thread"), *died(2)], [Tell(UNSHAREABLE), Fork(3, 1, False)]),
        (11.0, [Compiled(3), BecameReady(3)], [EndReload(3, ""), TellRetire(1, 311.0)]),
    ],
    "a stop ends a reload": [
        *SERVING,
        (10.0, [AskedReload()], [Fork(2, 1, True)]),
        (
            10.5,
            [AskedStop()],
            [
                EndReload(0, "the server was asked to stop"),
                BeginDrain(),
                TellDrain(1, 5.0, 35.5),
                Kill(2, "asked to stop before it was ready"),
            ],
        ),
    ],
    "two reloads at once are one": [
        *SERVING,
        (10.0, [AskedReload(), AskedReload()], [Fork(2, 1, True)]),
        (11.0, [Compiled(2), BecameReady(2)], [EndReload(2, ""), TellRetire(1, 311.0)]),
        (12.0, died(1), []),
    ],
    "reloads asked for during a reload are one more, afterwards": [
        *SERVING,
        (10.0, [AskedReload()], [Fork(2, 1, True)]),
        (10.1, [AskedReload()], [PostponeReload(0), ANOTHER]),
        (10.2, [Compiled(2), AskedReload()], [PostponeReload(0), ANOTHER]),
        (11.0, [BecameReady(2)], [EndReload(2, ""), TellRetire(1, 311.0), Fork(3, 2, True)]),
        (12.0, [Compiled(3), BecameReady(3)], [EndReload(3, ""), TellRetire(2, 312.0)]),
        (13.0, died(1), []),
    ],
    "a reload asked for during one that fails is made all the same": [
        *SERVING,
        (10.0, [AskedReload()], [Fork(2, 1, True)]),
        (10.1, [AskedReload()], [PostponeReload(0), ANOTHER]),
        (10.5, [Failed(2, 3, "no")], []),
        (
            10.6,
            died(2),
            [
                EndReload(2, "no"),
                Tell("generation 2 failed (no); the one before goes on"),
                Fork(3, 1, True),
            ],
        ),
    ],
    "a reload asked for while the first flow compiles": [
        (0.0, [], [Fork(1, 0, True)]),
        (0.5, [AskedReload()], [PostponeReload(0), ANOTHER]),
        (1.0, [Compiled(1), BecameReady(1)], [Fork(2, 1, True)]),
    ],
    "a reload waits for a block of seats": [
        *RELOADED,
        (20.0, [AskedReload()], [Fork(3, 2, True)]),
        (21.0, [Compiled(3), BecameReady(3)], [EndReload(3, ""), TellRetire(2, 321.0)]),
        (22.0, [AskedReload()], [Tell("the reload waits until an old generation has finished")]),
        (50.0, died(1), [Fork(4, 0, True)]),
    ],
    "an old generation that does not finish is killed": [
        *RELOADED,
        (312.4, [], []),
        (312.5, [], [Kill(1, "did not finish by its deadline")]),
        (312.6, died(1), []),
    ],
    "stop during a reload: all generations drain, the earlier deadline wins": [
        *RELOADED,
        (12.0, [AskedStop()], [BeginDrain(), TellDrain(1, 5.0, 37.0), TellDrain(2, 5.0, 37.0)]),
        (13.0, [AskedReload()], [Tell("no reload: the server is stopping")]),
        (14.0, died(1), []),
        (15.0, died(2), [Exit(0)]),
    ],
    "the serving leader dies during a reload: the new one takes over": [
        *SERVING,
        (10.0, [AskedReload()], [Fork(2, 1, True)]),
        (10.5, died(1), [lost(1)]),
        (11.0, [Compiled(2), BecameReady(2)], [EndReload(2, "")]),
    ],
    "the leader cannot be forked": [
        (0.0, [], [Fork(1, 0, True)]),
        (0.0, died(1), [Tell(f"generation 1 failed: {KILLED}"), Exit(4)]),
    ],
}


@pytest.mark.parametrize("name", HISTORIES)
def test_history(name: str) -> None:
    subject = Generations(TERMS)
    for now_s, events, expected in HISTORIES[name]:
        assert subject.decide(now_s, events) == expected, f"at {now_s} s"


def test_no_preload_is_asked_of_every_leader() -> None:
    subject = Generations(
        Terms(boot_timeout_s=20.0, request_timeout_s=300.0, drain_delay_s=5.0, grace_s=25.0, preload=False, blocks=3)
    )
    assert subject.decide(0.0, []) == [Fork(1, 0, False)]


def test_the_master_wakes_for_what_is_due_next() -> None:
    subject = Generations(TERMS)
    subject.decide(0.0, [])
    assert subject.wake_after_s(0.0) == 1.0
    subject.decide(1.0, [Compiled(1), BecameReady(1)])
    subject.decide(2.0, [AskedStop()])
    assert subject.wake_after_s(28.0) == pytest.approx(0.5)


def test_every_phase_can_end_and_none_leads_back_to_life() -> None:
    assert set(MOVES) == set(Phase)
    assert all(Phase.ORPHANED in MOVES[phase] for phase in Phase if phase is not Phase.ORPHANED)
    assert [phase for phase in Phase if Phase.LIVE in MOVES[phase]] == [Phase.STARTING]


def test_who_serves_and_who_waits() -> None:
    generations = Generations(TERMS)
    generations.decide(0.0, [])
    assert (generations.serves, generations.waits) == (False, False)
    generations.decide(1.0, [Waits(1, DENIED), Compiled(1), BecameReady(1)])
    assert (generations.serves, generations.waits) == (True, True)
    assert generations.wake_after_s(1.5) == 0.5
    generations.decide(2.0, [])
    generations.decide(3.0, [Compiled(2), BecameReady(2)])
    assert (generations.serves, generations.waits) == (True, False)
