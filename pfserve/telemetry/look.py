"""One look at the whole instance: what the shared region says at a moment, as values. Any process can take it."""

from __future__ import annotations

import os
import time
from collections.abc import Callable

import msgspec

from pfserve.region import (
    BOUNDS_S,
    Departure,
    Fact,
    Life,
    ModelCount,
    Outcome,
    PlanFacts,
    Refusal,
    Region,
    SeatState,
)
from pfserve.telemetry.vitals import Vitals

_NS = 1_000_000_000
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


class WorkerSeen(msgspec.Struct, frozen=True):
    """One seat with a process on it."""

    seat: int
    pid: int
    generation: int
    state: str  # "booting" | "live" | "draining"
    inside: int  # requests that hold a ticket
    connections: int
    lane_jobs: int  # on its thread lane, running or queued
    overdue: int  # blocking calls that go on though nobody waits for them any more
    beat_age_s: float | None  # None before its first beat
    resident_bytes: int  # 0 where the process is gone or hidden


class GenerationSeen(msgspec.Struct, frozen=True):
    """One block of seats in use."""

    generation: int
    state: str  # a Life, in lower case
    leader_pid: int
    plan: PlanFacts


class Durations(msgspec.Struct, frozen=True):
    """Requests for the flow that ended in one way."""

    outcome: Outcome
    buckets: tuple[int, ...]  # not cumulated; the last one is without bound
    total_s: float


class Seen(msgspec.Struct, frozen=True):
    """The instance at a moment."""

    state: str  # "ready" | "draining" | "not ready" | "dead"
    live: bool
    ready: bool
    started_wall_s: float
    uptime_s: float
    ready_after_s: float  # of the generation that serves; 0 as long as none does
    generation: int
    capacity: int
    inside: int
    line_length: int  # requests that wait for a slot of any worker
    served: int  # requests that have given their ticket back
    generations: tuple[GenerationSeen, ...]
    workers: tuple[WorkerSeen, ...]
    durations: tuple[Durations, ...]
    others: dict[Outcome, int]
    refusals: dict[Refusal, int]
    models: dict[ModelCount, int]
    failed_handshakes: int
    departures: dict[Departure, int]
    starts: int
    facts: dict[Fact, int]


def look(region: Region, vitals: Vitals, clock_ns: Callable[[], int] = time.monotonic_ns) -> Seen:
    """Take a look. No lock is taken: single words are exact, sums are about one moment."""
    ledger, now_ns = region.ledger, clock_ns()
    facts = {fact: ledger.facts[fact] for fact in Fact}
    live, ready = vitals.live(), vitals.ready()
    pages = ledger.pages
    return Seen(
        state="draining" if vitals.draining else "dead" if not live else "ready" if ready else "not ready",
        live=live,
        ready=ready,
        started_wall_s=facts[Fact.STARTED_WALL_NS] / _NS,
        uptime_s=(now_ns - facts[Fact.STARTED_NS]) / _NS if facts[Fact.STARTED_NS] else 0.0,
        ready_after_s=facts[Fact.READY_AFTER_NS] / _NS,
        generation=facts[Fact.GENERATION],
        capacity=region.capacity,
        inside=sum(region.tickets),
        line_length=sum(len(line) for line in region.lines),
        served=sum(region.served),
        generations=_generations(region),
        workers=tuple(_worker(region, seat, now_ns) for seat in range(region.seats) if _is_taken(region, seat)),
        durations=tuple(_durations(region, outcome) for outcome in Outcome),
        others={outcome: sum(page.others(outcome) for page in pages) for outcome in Outcome},
        refusals={cause: sum(page.refusals(cause) for page in pages) for cause in Refusal},
        models={what: sum(page.models(what) for page in pages) for what in ModelCount},
        failed_handshakes=sum(page.failed_handshakes for page in pages),
        departures={how: sum(page.departures(how) for page in pages) for how in Departure},
        starts=sum(page.starts for page in pages),
        facts=facts,
    )


def _is_taken(region: Region, seat: int) -> bool:
    return bool(region.states[seat] != SeatState.EMPTY)


def _worker(region: Region, seat: int, now_ns: int) -> WorkerSeen:
    beat_ns, pid = region.beats[seat], region.pids[seat]
    return WorkerSeen(
        seat=seat,
        pid=pid,
        generation=region.generations[seat],
        state=SeatState(region.states[seat]).name.lower(),
        inside=region.tickets[seat],
        connections=region.connections[seat],
        lane_jobs=region.busy[seat],
        overdue=region.overdue[seat],
        beat_age_s=(now_ns - beat_ns) / _NS if beat_ns else None,
        resident_bytes=resident_bytes(pid),
    )


def _generations(region: Region) -> tuple[GenerationSeen, ...]:
    ledger = region.ledger
    blocks = [block for block in range(ledger.blocks) if ledger.lives[block] != Life.NONE]
    return tuple(
        GenerationSeen(
            generation=ledger.generations[block],
            state=Life(ledger.lives[block]).name.lower(),
            leader_pid=ledger.leaders[block],
            plan=ledger.plan(block),
        )
        for block in sorted(blocks, key=lambda block: ledger.generations[block])
    )


def _durations(region: Region, outcome: Outcome) -> Durations:
    pages = region.ledger.pages
    rows = [page.buckets(outcome) for page in pages]
    return Durations(
        outcome,
        tuple(sum(column) for column in zip(*rows, strict=True)) if rows else (0,) * (len(BOUNDS_S) + 1),
        sum(page.microseconds(outcome) for page in pages) / 1e6,
    )


def resident_bytes(pid: int) -> int:
    """The memory that a process has in RAM, shared pages included, as ``ps`` shows it; 0 where that cannot be seen."""
    try:
        with open(f"/proc/{pid}/statm", "rb") as file:
            return int(file.read().split()[1]) * _PAGE_BYTES
    except (OSError, IndexError):
        return 0
