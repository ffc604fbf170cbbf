"""What a forecast starts from, wherever it comes from: how long requests take, and what is known beside it."""

from __future__ import annotations

import re
from collections.abc import Sequence

import msgspec

from ..durations import seconds, written
from ..mistake import Mistake
from .demand import Demand, Phase, Times

ALL, NONE = "all", "none"
_PHASE = re.compile(r"(blocking|beside)\s+(\S+)(?:\s+cpu\s+(\S+))?")


class Given(msgspec.Struct, frozen=True):
    """Measured, or told."""

    origin: str  # for a reader
    times: Times  # of whole requests, as alone as they were
    count: int  # that were measured; 0: told
    cpu_s: float | None = None  # of a request, on the machine where it was measured
    rates_per_s: tuple[float, float] | None = None  # the range that was measured
    response_bytes: float = 0.0
    prompt_tokens: float = 0.0
    completion_tokens: float = 0.0
    calls: float = 0.0  # of a model, per request
    memory_bytes: int = 0  # of the whole instance, the most that was seen
    inside: float = 0.0  # while it was measured, on average
    arrivals_s: Sequence[float] = ()  # when requests came, from 0 on
    points: tuple[tuple[float, float], ...] = ()  # users and throughput of closed trials
    doubts: tuple[str, ...] = ()


def demand(given: Given, blocking: str, cpu_s: float | None) -> Demand:
    """Requests of these times. ``blocking``: ``all``, ``none``, or how long a slot is held. Raises Mistake."""
    known_s = given.cpu_s if cpu_s is None else cpu_s
    mean_s = given.times.mean_s
    share = min(1.0, (known_s or 0.0) / mean_s) if mean_s else 0.0
    if blocking in (ALL, NONE):
        return Demand((Phase(given.times, blocking == ALL, share),))
    held_s = _held(blocking)
    if held_s >= given.times.values[-1]:
        return Demand((Phase(given.times, True, share),))
    held = Times(tuple(min(held_s, value) for value in given.times.values))
    rest = Times(tuple(max(0.0, value - held_s) for value in given.times.values))
    return Demand((Phase(held, True, share), Phase(rest, False, share)))


def phase(text: str) -> Phase:
    """``blocking 20ms cpu 5ms`` or ``beside lognormal:1.2s,0.5``. Raises Mistake."""
    found = _PHASE.fullmatch(text.strip())
    if not found:
        raise Mistake(f"--phase {text!r}: write 'blocking 20ms cpu 5ms' or 'beside lognormal:1.2s,0.5'")
    times = Times.parse(found[2])
    cpu_s = seconds(found[3]) if found[3] else 0.0
    if cpu_s > times.mean_s:
        raise Mistake(f"--phase {text!r}: its CPU, {written(cpu_s)}, is more than its time, {written(times.mean_s)}")
    return Phase(times, found[1] == "blocking", cpu_s / times.mean_s if cpu_s else 0.0)


def doubts(given: Given, demand: Demand, slots: int, *, has_cpu: bool) -> list[str]:
    """What a reader has to know before believing what follows."""
    found = list(given.doubts)
    if given.count and given.count < 200:
        found.append(f"only {given.count} requests were measured: the p95 rests on {max(1, given.count // 20)} of them")
    if not has_cpu:
        found.append("the CPU of a request is not known: the forecast takes it for nothing. Give --cpu")
    if demand.held_s and given.inside > slots > 0:
        found.append(
            f"{given.inside:.3g} requests were inside at a time for {slots} slots: their times hold waiting, "
            "so the forecast is too careful. Measure at a lower rate"
        )
    return found


def _held(blocking: str) -> float:
    try:
        return seconds(blocking)
    except Mistake:
        raise Mistake(f"--blocking {blocking}: write all, none, or how long a request holds a slot, as 20ms") from None
