from __future__ import annotations

from pfserve.region import Fact, Region, SeatState
from pfserve.telemetry.vitals import Vitals

NS = 1_000_000_000
NOW_NS = 1000 * NS


def region(*, master_age_s: float = 0.0, beat_age_s: float = 0.0, state: SeatState = SeatState.LIVE) -> Region:
    made = Region(capacity=1, seats=3)
    made.master_beat_ns = NOW_NS - int(master_age_s * NS)
    made.beats[1] = NOW_NS - int(beat_age_s * NS)
    made.states[1] = state
    return made


def vitals(of: Region) -> Vitals:
    return Vitals(of, stuck_after_s=30.0, clock_ns=lambda: NOW_NS)


def test_live_and_ready_while_master_and_a_worker_beat() -> None:
    subject = vitals(region(master_age_s=4.9, beat_age_s=29.0))
    assert (subject.live(), subject.ready(), subject.draining) == (True, True, False)


def test_dead_when_the_master_is_silent() -> None:
    assert not vitals(region(master_age_s=5.1)).live()


def test_dead_when_no_worker_has_beaten_for_twice_the_time_that_makes_one_stuck() -> None:
    assert vitals(region(beat_age_s=59.0)).live()
    assert not vitals(region(beat_age_s=61.0)).live()


def test_not_ready_without_a_worker_that_serves() -> None:
    assert not vitals(region(state=SeatState.BOOTING)).ready()
    assert not vitals(region(state=SeatState.DRAINING)).ready()
    assert not vitals(region(beat_age_s=31.0)).ready()


def test_draining_is_unready_but_alive() -> None:
    down = region()
    down.draining = True
    subject = vitals(down)
    assert (subject.live(), subject.ready(), subject.draining) == (True, False, True)


def test_the_last_beat_counts_though_its_process_is_gone() -> None:
    subject = region()
    subject.ledger.facts[Fact.ALIVE_NS] = NOW_NS - 59 * NS
    subject.vacate(1)
    assert vitals(subject).live() and not vitals(subject).ready()
    subject.ledger.facts[Fact.ALIVE_NS] = NOW_NS - 61 * NS
    assert not vitals(subject).live()
