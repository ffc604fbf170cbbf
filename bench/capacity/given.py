"""What a forecast starts from, wherever it comes from: how long requests take, and what is known beside it."""

from __future__ import annotations

import re

import msgspec

from ..durations import seconds, written
from ..mistake import Mistake
from .demand import Demand, Phase, Times
from .traffic import Traffic

ALL, NONE = "all", "none"
_PHASE = re.compile(r"(blocking|beside)\s+(\S+)(?:\s+cpu\s+(\S+))?")


class Given(msgspec.Struct, frozen=True):
    """Measured, or told."""

    origin: str  # for a reader
    times: Times  # of whole requests, as alone as they were
    count: int  # that were measured; 0: told
    cpu_s: float | None = None  # of a request, on the machine where it was measured
    busy_cpu_s: float | None = None  # the same under the heaviest load that was measured and borne
    rates_per_s: tuple[float, float] | None = None  # the range that was measured, of one instance
    response_bytes: float = 0.0
    prompt_tokens: float = 0.0  # per request
    completion_tokens: float = 0.0
    tokens: float = 0.0  # where they are not known apart
    calls: float = 0.0  # of a model, per request
    memory_bytes: int = 0  # of the whole instance, the most that was seen
    inside: float = 0.0  # one instance while it was measured, on average
    traffic: Traffic | None = None  # all that came
    points: tuple[tuple[float, float], ...] = ()  # users and throughput of closed trials
    doubts: tuple[str, ...] = ()


def demand(given: Given, blocking: str, cpu_s: float | None) -> Demand:
    """Requests of these times. ``blocking``: ``all``, ``none``, or how long a slot is held. Raises Mistake.

    A busy machine computes slower than an idle one: cores share caches, power and, as hyper-threads, themselves. So
    where CPU was measured under load too, that is what a request takes of it, and its time is longer by as much.
    """
    known_s = (given.cpu_s if cpu_s is None else cpu_s) or 0.0
    times, mean_s = given.times, given.times.mean_s
    if known_s > mean_s and not given.count:
        raise Mistake(f"a request was told to need {written(known_s)} of CPU, and to take {written(mean_s)} in all")
    if known_s > mean_s > 0:  # its threads compute at once: the cores give as much as one after the other
        times, mean_s = times.scaled(known_s / mean_s), known_s
    asks = _demand(times, blocking, known_s / mean_s if mean_s else 0.0)
    if cpu_s is None and given.busy_cpu_s and known_s:
        return asks.on_faster(known_s / given.busy_cpu_s)
    return asks


def _demand(times: Times, blocking: str, share: float) -> Demand:
    if blocking in (ALL, NONE):
        return Demand((Phase(times, blocking == ALL, share),))
    held_s = _held(blocking)
    if held_s >= times.values[-1]:
        return Demand((Phase(times, True, share),))
    held = Times(tuple(min(held_s, value) for value in times.values))
    rest = Times(tuple(max(0.0, value - held_s) for value in times.values))
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
    if given.busy_cpu_s and given.cpu_s:
        found.append(
            f"a request needs {written(given.cpu_s)} of CPU when it is quiet and {written(given.busy_cpu_s)} under the "
            "heaviest load that was measured: the forecast takes the latter"
        )
    if given.count and given.count < 200:
        found.append(f"only {given.count} requests were measured: the p95 rests on {max(1, given.count // 20)} of them")
    if not has_cpu:
        found.append("the CPU of a request is not known: the forecast takes it for nothing. Give --cpu")
    if given.cpu_s and given.cpu_s > given.times.mean_s:
        found.append(
            f"a request takes {written(given.times.mean_s)} and needs {written(given.cpu_s)} of CPU: it computes in "
            "several threads, or the server does something beside. The forecast lets it take as long as it computes"
        )
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
