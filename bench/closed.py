"""Closed-loop load for flows that take seconds.

wrk starts everybody at once and counts only whole answers: of waves of 1.25 s it would miss up to one.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import msgspec

from .wrk import Reading, children_cpu_s


class ClosedLoad(msgspec.Struct, frozen=True):
    """How many ask, and when that counts."""

    clients: int
    body: str
    warm_up_s: float  # from the first request; the clients begin within ``spread_s``
    seconds: float  # that count, after it
    spread_s: float


def read(asked: Sequence[tuple[float, float, int]], begin_s: float, end_s: float) -> Reading:
    """What the window saw. A request counts by the part of its time that is in it: no edge to fall over.

    The percentiles are of the requests that were answered within. Raises ValueError if there were fewer than two.
    """
    rate = sum(max(0.0, min(end, end_s) - max(begin, begin_s)) / (end - begin) for begin, end, _ in asked)
    times = [end - begin for begin, end, _ in asked if begin_s <= end < end_s]
    if len(times) < 2:
        raise ValueError(f"only {len(times)} answers within {end_s - begin_s:g} s")
    cuts = statistics.quantiles(times, n=100, method="inclusive")
    failures = sum(not 200 <= status < 300 for _, _, status in asked)
    return Reading(rate / (end_s - begin_s), cuts[49], cuts[98], failures)


def run(address: str, load: ClosedLoad) -> Reading:
    """Load ``address`` once. Raises CalledProcessError if the clients fail."""
    end_s = load.warm_up_s + load.seconds
    program = Path(__file__).parent / "clients.py"
    numbers = (address.rpartition(":")[2], load.clients, load.spread_s, end_s)
    cpu_before_s, began_s = children_cpu_s(), time.monotonic()
    done = subprocess.run(
        [sys.executable, str(program), *map(str, numbers), load.body], check=True, stdout=subprocess.PIPE
    )
    cores = (children_cpu_s() - cpu_before_s) / (time.monotonic() - began_s)
    asked = msgspec.json.decode(done.stdout, type=list[tuple[float, float, int]])
    return msgspec.structs.replace(read(asked, load.warm_up_s, end_s), generator_cores=cores)
