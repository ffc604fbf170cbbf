"""The loop: ask the tuner, try, write down, until there is a verdict."""

from __future__ import annotations

import msgspec

from .. import machine
from ..durations import written
from ..mistake import Mistake
from ..part import Say
from ..tuner import Step, step
from .measure import Interrupted, Site, look, measure, told
from .record import NAME, Question, Tuning, read

_NOT_OURS = ("promptflow", "generator")  # facts of the comparison


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
            tuning = _further(tuning, site, say)
            tuning.save(site.folder)
    except (Interrupted, KeyboardInterrupt):
        say(f"stopped; {len(tuning.trials)} trials are in {site.folder / NAME}: the same command goes on")
    return tuning


def _begin(question: Question, site: Site, say: Say) -> Tuning:
    if (site.folder / NAME).exists():
        tuning = read(site.folder)
        if msgspec.json.encode(tuning.question) != msgspec.json.encode(question):  # lists come back for tuples
            raise Mistake(f"{site.folder / NAME} belongs to another question: give another --out")
        say(f"going on after {len(tuning.trials)} trials in {site.folder}")
        return tuning
    say("looking at the flow: one request alone, then a crowd at one slot")
    facts = look(site)
    say(
        f"  a request takes {written(facts.latency_s)}, {written(facts.cpu_s)} of CPU, and a slot for at most "
        f"{written(facts.hold_s)}; {facts.waiting_share:.0%} of its time it waits elsewhere"
    )
    facts_of_machine = {name: fact for name, fact in machine.facts().items() if name not in _NOT_OURS}
    tuning = Tuning(question, facts_of_machine, facts)
    tuning.save(site.folder)
    return tuning


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
