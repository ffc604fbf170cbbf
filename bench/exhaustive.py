"""B2: what ``tune`` finds in few trials, held against a grid of which every setting is tried."""

from __future__ import annotations

import functools
import os
import resource
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

import msgspec

from . import budgets, flows, proc
from .contest import FOREIGN_LIMIT
from .part import Part, Say, Settings
from .series import Series, ratio
from .throughput import BODY
from .tuner import Facts, Goal, Limit, Setting, Space, Step
from .tuner.interval import interval
from .tuning import Question, TrialRecord, tune
from .tuning.measure import Interrupted, Site, measure

BLOCKS_S, AWAITS_S = 0.1, 0.1
COMPUTED = 5_000  # numbers a request: a bit of Python
SPACE = Space((1, 2, 4), (4, 8, 16, 32, 64), (64, 128))  # what is best is bounded by C; more slots bring nothing
GOAL = Goal((Limit("95", 0.4),), 0.01)
LOAD_S = 0.8
SHARE = 0.2
NEAR = 0.95
SYSTEM = "tune"
GRID = "the grid's best"
GOODPUT = "requests/s within the goal"
LOOK = 1  # what tune does before its first trial counts as one

_Done = TypeVar("_Done")


class Outcome(msgspec.Struct, frozen=True):
    """What was found and what it gave, in turn."""

    found: Setting
    best: Setting
    found_per_s: Sequence[float]
    best_per_s: Sequence[float]
    trials: int  # of tune, all
    grid: Sequence[float]  # one trial of each setting of SPACE, in its order


def exhaustive(settings: Settings, say: Say) -> Part:
    """B2. What is near is decided by repeats of both, as the highest of many noisy trials flatters."""
    with tempfile.TemporaryDirectory() as place:
        home = Path(place)
        site = Site(_mixed(home / "mixed"), (), (BODY,), len(os.sched_getaffinity(0)), LOAD_S, 0, home)
        watch = _Watch()
        tuning = watch.over("tune", lambda: tune(_question(site), _at(site, "tune"), say))
        if tuning.verdict is None:
            raise KeyboardInterrupt
        grid = _Trials(_at(site, "grid"), tuning.facts, watch, say)
        tried = [grid.take(setting) for setting in SPACE]
        best = max(zip(tried, SPACE, strict=True))[1]
        found = tuning.verdict.setting
        turns = [(grid.take(found), grid.take(best) if best != found else 0.0) for _ in range(settings.rounds)]
    found_per_s = [ours for ours, _ in turns]
    best_per_s = [theirs for _, theirs in turns] if best != found else found_per_s
    done = LOOK + len(tuning.trials)
    return part(Outcome(found, best, found_per_s, best_per_s, done, tried), watch.voids)


def part(outcome: Outcome, voids: Sequence[str]) -> Part:
    """Judged as the budget says: near the best, or not to be told from it."""
    ours = Series(SYSTEM, f"{GOODPUT}: {outcome.found}", "/s", tuple(outcome.found_per_s))
    theirs = Series(GRID, f"{GOODPUT}: {outcome.best}", "/s", tuple(outcome.best_per_s))
    once = Series("the grid", f"{GOODPUT}: each setting once", "/s", tuple(outcome.grid))
    share = Series(SYSTEM, "trials / settings of the grid", "%", (100 * outcome.trials / len(outcome.grid),))
    verdicts = (
        budgets.judge("B2.goodput", Series(SYSTEM, "near the best", "x", (nearness(outcome),))),
        budgets.judge("B2.trials", share),
    )
    return Part((ours, theirs, ratio(ours, theirs), once), verdicts, tuple(voids))


def nearness(outcome: Outcome) -> float:
    """At least 1 if the median is within 5 % of the best's, or if the 95 % interval reaches that."""
    _, high = interval(outcome.found_per_s)
    return max(statistics.median(outcome.found_per_s) / NEAR, high) / statistics.median(outcome.best_per_s)


class _Watch:
    """Whether others use the machine. All that is ours is a child of this process, and over when it is counted."""

    def __init__(self) -> None:
        self.voids: list[str] = []

    def over(self, what: str, act: Callable[[], _Done]) -> _Done:
        """Do it, and note if it was disturbed."""
        before_s, began_s = self._others_s(), time.monotonic()
        done = act()
        cores = (self._others_s() - before_s) / (time.monotonic() - began_s)
        if cores > FOREIGN_LIMIT:
            self.voids.append(f"{what}: others used {cores:.2f} cores of this machine meanwhile")
        return done

    def _others_s(self) -> float:
        ours = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
        return proc.machine_busy_s() - sum(used.ru_utime + used.ru_stime for used in ours)


class _Trials:
    """Trials of settings that somebody chose, each measured as tune measures."""

    def __init__(self, site: Site, facts: Facts, watch: _Watch, say: Say) -> None:
        self.site, self.facts, self.watch, self.say = site, facts, watch, say
        self.done: list[TrialRecord] = []

    def take(self, setting: Setting) -> float:
        """Its goodput."""
        asked = Step(setting, "all are tried")
        again = functools.partial(measure, self.site, GOAL, asked, self.facts, tuple(self.done))
        try:
            trial = self.watch.over(str(setting), again)
        except Interrupted as stop:
            raise KeyboardInterrupt from stop
        self.done.append(trial)
        self.say(f"{setting}: {trial.score.goodput_per_s:,.1f} requests/s, {len(trial.loads)} loads")
        return trial.score.goodput_per_s


def _question(site: Site) -> Question:
    return Question(str(site.flow), GOAL, SPACE, int(SHARE * len(SPACE)) - LOOK, (), "", LOAD_S, 0)


def _at(site: Site, name: str) -> Site:
    return msgspec.structs.replace(site, folder=site.folder / name)


def _mixed(folder: Path) -> Path:
    """Computes and blocks in one node, awaits in the next: slots are needed for half of its time."""
    work = f"sum(number * number for number in range({COMPUTED}))\n    time.sleep({BLOCKS_S})\n    "
    files = {
        "work.py": "import time\n\n" + flows.PASS_ON.format(define="def", wait=work),
        "rest.py": "import asyncio\n\n"
        + flows.PASS_ON.format(define="async def", wait=f"await asyncio.sleep({AWAITS_S})\n    "),
    }
    return flows.write(folder, files, flows.in_line([*files]))
