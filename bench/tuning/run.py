"""The loop: ask the tuner, try, write down, until there is a verdict."""

from __future__ import annotations

from pathlib import Path

import msgspec

from .. import machine
from ..durations import written
from ..mistake import Mistake
from ..part import Say
from ..recorder import DiskProblem
from ..tuner import Step, step
from .flow_files import changed, digests, lasting
from .measure import Interrupted, Site, look, measure, told
from .record import NAME, Question, Tuning, read

_NOT_OURS = ("promptflow", "generator")  # facts of the comparison
_TOLD_BY = {
    "flow": "FLOW",
    "goal": "--slo, --max-refused or --rate",
    "space": "--max-threads, --max-bound or the cores of this machine",
    "most_trials": "--max-trials",
    "serve_args": "--serve-arg",
    "bodies_sha256": "--payload or --data",
    "load_s": "--load",
    "seed": "--seed",
}
_ANEW = "give another --out, or remove this one to begin anew"


def tune(question: Question, site: Site, say: Say) -> Tuning:
    """Begin, or go on where the folder's file ends. Without a verdict, somebody asked for the end.

    Raises Mistake, and RuntimeError if a server does not start or the machine is too busy to measure.
    """
    site.folder.mkdir(parents=True, exist_ok=True)
    try:
        tuning = _begin(question, site, say)
    except (Interrupted, KeyboardInterrupt) as stop:
        raise RuntimeError("stopped before the first trial; nothing is kept") from stop
    try:
        while tuning.verdict is None:
            _check_flow(tuning, site)
            tuning = _further(tuning, site, say)
            tuning.save(site.folder)
    except (Interrupted, KeyboardInterrupt):
        say(f"stopped; {len(tuning.trials)} trials are in {site.folder / NAME}: the same command goes on")
    except (DiskProblem, OSError):
        say(f"what was kept is in {site.folder / NAME}: once this is mended, the same command goes on")
        raise
    return tuning


def _begin(question: Question, site: Site, say: Say) -> Tuning:
    if (site.folder / NAME).exists():
        tuning = read(site.folder)
        if others := _others(tuning.question, question):
            raise Mistake(f"{site.folder / NAME} belongs to another question, by {'; '.join(others)}: {_ANEW}")
        _check_flow(tuning, site)
        say(f"going on after {len(tuning.trials)} trials in {site.folder}")
        return tuning
    say("looking at the flow: one request alone, then a crowd at one slot")
    before = _digests(site)
    facts = look(site)
    say(
        f"  a request takes {written(facts.latency_s)}, {written(facts.cpu_s)} of CPU, and a slot for at most "
        f"{written(facts.hold_s)}; {facts.waiting_share:.0%} of its time it waits elsewhere"
    )
    facts_of_machine = {name: fact for name, fact in machine.facts().items() if name not in _NOT_OURS}
    tuning = Tuning(question, facts_of_machine, facts, flow_files=lasting(before, _digests(site)))
    tuning.save(site.folder)
    return tuning


def _others(old: Question, new: Question) -> list[str]:
    """By what two questions differ. As JSON, as lists come back for tuples."""
    was, now = (msgspec.to_builtins(each) for each in (old, new))
    return [told for name, told in _TOLD_BY.items() if msgspec.json.encode(was[name]) != msgspec.json.encode(now[name])]


def _digests(site: Site) -> dict[str, str]:
    return digests(site.flow.absolute(), site.serve_args, site.folder)


def _check_flow(tuning: Tuning, site: Site) -> None:
    """Trials of two flows are not compared. Raises Mistake."""
    if found := changed(tuning.flow_files, _digests(site)):
        names = ", ".join(Path(path).name for path in found[:3]) + (" and more" if len(found) > 3 else "")
        raise Mistake(f"the flow is not the one that {site.folder / NAME} has trials of, {names} changed: {_ANEW}")


def _further(tuning: Tuning, site: Site, say: Say) -> Tuning:
    """One trial, or the verdict."""
    question, done = tuning.question, tuning.trials
    scores = [trial.score for trial in done]
    asked = step(question.space, question.goal, tuning.facts, scores, question.most_trials)
    if not isinstance(asked, Step):
        return msgspec.structs.replace(tuning, verdict=asked)
    say(f"trial {len(done) + 1} of at most {question.most_trials}{_left(tuning)}: {asked.setting} ({asked.why})")
    trial = measure(site, question.goal, asked, tuning.facts, done)
    say(f"  {told(trial)}")
    return msgspec.structs.replace(tuning, trials=[*done, trial])


def _left(tuning: Tuning) -> str:
    if not tuning.trials:
        return ""
    mean_s = sum(trial.lasted_s for trial in tuning.trials) / len(tuning.trials)
    return f", at most {written(mean_s * (tuning.question.most_trials - len(tuning.trials)))} left"
