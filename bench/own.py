"""B1: what our own load generator costs, against a server that does nothing, with everything recorded."""

from __future__ import annotations

import tempfile
from pathlib import Path

from . import systems
from .budgets import judge
from .part import Part, Say, Settings
from .recorder import read
from .schedule import Closed, Load, Open, Segment, Shape, Spacing, Span
from .series import Series
from .throughput import BODY
from .trial import Summary, Trial, run, summarise

SYSTEM = "pfserve-bench run"
WARM_UP_S = 1.0
FULL = Closed(users=64)
QUIET_PER_S = 2_000


def own(settings: Settings, say: Say) -> Part:
    """One generator process: as fast as it can, and at a rate that leaves it mostly idle.

    CPU is that of the generator and of the process that records, so a busy machine moves it little.
    """
    full = [_trial(FULL, settings, say) for _ in range(settings.rounds)]
    rate = Open(Shape((Segment(settings.seconds, QUIET_PER_S, QUIET_PER_S),)), Spacing.POISSON)
    quiet = [_trial(rate, settings, say) for _ in range(settings.rounds)]
    per_core = Series(SYSTEM, "requests of one core", "/s", tuple(1 / _cpu_per_request_s(trial) for trial in full))
    cores = Series(SYSTEM, "at 2,000 requests/s: CPU", "cores", tuple(map(_cores, quiet)))
    series = (
        Series(SYSTEM, "one process: requests/s", "/s", tuple(trial.answered_per_s for trial in full)),
        Series(SYSTEM, "one process: CPU per request", "us", tuple(_cpu_per_request_s(trial) * 1e6 for trial in full)),
        Series(SYSTEM, "at 2,000 requests/s: late at p99", "ms", tuple(_late_p99_s(trial) * 1e3 for trial in quiet)),
    )
    verdicts = (judge("B1.rate", per_core), judge("B1.quiet", cores))
    return Part((per_core, *series, cores), verdicts, _voids(full))


def _trial(load: Load, settings: Settings, say: Say) -> Summary:
    with tempfile.TemporaryDirectory() as folder:
        trial = Trial(
            launch=systems.null(),
            has_health=False,
            load=load,
            span=Span(WARM_UP_S, settings.seconds),
            bodies=(BODY,),
            out=Path(folder),
        )
        summary = summarise(read(run(trial, lambda _: None)))
    say(f"{SYSTEM}: {summary.answered_per_s:,.0f} requests/s, {_cpu_per_request_s(summary) * 1e6:.1f} us of CPU each")
    return summary


def _cpu_per_request_s(trial: Summary) -> float:
    """Of the whole trial, the warm-up included, as the CPU is."""
    requests = trial.offered + sum(trial.warm_up.values())
    return (sum(use.cpu_s for use in trial.generators) + trial.recorder_cpu_s) / requests


def _cores(trial: Summary) -> float:
    return sum(use.cores for use in trial.generators) + trial.recorder_cores


def _late_p99_s(trial: Summary) -> float:
    return trial.lateness.percentiles_s["99"] if trial.lateness else 0.0


def _voids(trials: list[Summary]) -> tuple[str, ...]:
    """Only what makes CPU per request wrong: requests that did not succeed cost less."""
    failed = sum(trial.offered - trial.outcomes["success"] for trial in trials)
    return (f"{SYSTEM}: {failed:,} requests failed",) if failed else ()
