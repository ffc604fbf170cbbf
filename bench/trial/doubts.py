"""When a trial must not be believed, and what its reader should keep in mind. Pure rules over its figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ..cgroup import Throttling
from ..durations import written
from ..recorder import Header
from ..sample import GENERATOR_CAUSES, Cause, Outcome
from ..schedule import Closed
from .spread import Spread

LATE_P99_S = 0.002  # later than that, or than LATE_SHARE of the median latency, is too late
LATE_SHARE = 0.1
LATE_MAX_S = 1.0  # the generator itself stood still
BUSY_CORES = 0.95  # a process above is the limit itself


def voids(
    lateness: Spread | None,
    latency: Spread | None,
    cores: Sequence[float],
    causes: Mapping[int, int],
    offered: int,
) -> list[str]:
    """Why the figures are the generator's and not the server's; empty if they are not."""
    found = [] if offered else ["no request was measured"]
    if lateness is not None:
        found += _late(lateness, latency)
    found += [
        f"generator process {index} used {used:.2f} cores and was the limit itself: use more --generators"
        for index, used in enumerate(cores)
        if used > BUSY_CORES
    ]
    found += [
        f"{causes[cause]:,} requests failed because {Cause(cause).sentence}"
        for cause in sorted(GENERATOR_CAUSES)
        if causes.get(cause)
    ]
    return found


def _late(lateness: Spread, latency: Spread | None) -> list[str]:
    p99_s = lateness.percentiles_s["99"]
    allowed_s = max(LATE_P99_S, LATE_SHARE * (latency.percentiles_s["50"] if latency else 0.0))
    found = []
    if p99_s > allowed_s:
        found.append(
            f"the generator was late: 1 % of the requests began more than {written(p99_s)} after their time, "
            f"{written(allowed_s)} is allowed here"
        )
    if lateness.max_s > LATE_MAX_S:
        found.append(f"the generator stood still: a request began {written(lateness.max_s)} after its time")
    return found


def doubts(outcomes: Mapping[int, int], offered: int, header: Header) -> list[str]:
    """What is no reason to throw the figures away."""
    found = []
    if offered and (dropped := outcomes.get(Outcome.DROPPED, 0)):
        found.append(
            f"{dropped:,} requests ({dropped / offered:.1%}) were never sent: {header.max_in_flight:,} were in flight "
            "already (--max-in-flight)"
        )
    answered = offered - outcomes.get(Outcome.DROPPED, 0)
    if answered and not outcomes.get(Outcome.SUCCESS, 0):
        found.append("not one request succeeded")
    elif answered and (lost := answered - outcomes.get(Outcome.SUCCESS, 0)):
        found.append(f"the latency of successes leaves out {lost / answered:.1%} of what was sent")
    if isinstance(header.load, Closed):
        found.append("closed loop: a slow server is asked less often, so its worst times are seen less often")
    return found


def ended(processes: int, *, is_gone: bool) -> list[str]:
    """What became of the server."""
    if is_gone:
        return ["the server ended while it was loaded"]
    return [f"{processes:,} processes of the server ended while it was measured"] if processes else []


def throttled(found: Throttling | None) -> list[str]:
    """What the limit of its cgroup did to the server."""
    if found is None or not found.periods:
        return []
    return [
        f"the server was throttled: the CPU limit of its cgroup stopped it in {found.periods:,} periods, for "
        f"{written(found.lasted_s)} over all processors"
    ]
