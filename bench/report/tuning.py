"""A page about a tuning."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

from ..durations import written
from ..trial.page import Lines, Table
from ..tuner import Goal, Setting, Verdict
from ..tuner.step import Ending
from ..tuning.advice import environment, flags, snippet
from ..tuning.record import LoadRecord, TrialRecord, Tuning
from .document import Axes, Code, Document, Heat, Line, Part, Plot, Section, WhatIf


def document(tuning: Tuning) -> Document:
    """The page."""
    trials, verdict = tuning.trials, tuning.verdict
    chosen = verdict.setting if verdict else _best(trials)
    result = [*_heat(tuning, chosen), _table(trials), *_in_turn(trials)] if trials else []
    return Document(
        title=f"Tuning of {tuning.question.flow.rpartition('/')[2]}",
        summary=_words(tuning),
        warnings=_warnings(tuning),
        sections=[
            *([Section("The setting", _set(verdict.setting))] if verdict and _is_reached(verdict) else []),
            *([Section("Trials", result)] if result else []),
            *([Section(f"At {chosen}", _loads(trials, chosen))] if chosen else []),
            *([Section("What if", [_what_if(tuning, chosen)])] if chosen else []),
            Section("What was asked, and where", [*_asked(tuning), *_facts(tuning)]),
        ],
    )


def goal_told(goal: Goal) -> str:
    """In words."""
    limits = f"{', '.join(map(str, goal.limits))}, refused and failed together ≤ {goal.most_refused:.2%}"
    if goal.rate_per_s is None:
        return f"the most successes a second with {limits}"
    return f"the least memory that serves {_rate(goal.rate_per_s)} requests/s with {limits}"


def _rate(per_s: float) -> str:
    return f"{per_s:,.0f}" if per_s >= 1000 else f"{per_s:.4g}"


def _is_reached(verdict: Verdict) -> bool:
    return verdict.ending is not Ending.UNREACHED


def _best(trials: Sequence[TrialRecord]) -> Setting | None:
    return max(trials, key=lambda trial: trial.score.goodput_per_s).score.setting if trials else None


def _words(tuning: Tuning) -> list[str]:
    verdict, goal = tuning.verdict, tuning.question.goal
    asked = f"Asked: {goal_told(goal)}."
    if verdict is None:
        return [asked, *_partial(tuning)]
    setting = verdict.setting
    if not _is_reached(verdict):
        return [asked, f"No setting tried reached that. The nearest was {_long(setting)}: {_nearest(tuning, setting)}."]
    found = f"{_long(setting)} gave {verdict.goodput_per_s:,.1f} requests/s, {verdict.memory_bytes / 1e6:,.0f} MB."
    sure = (
        f"95 % interval of {verdict.repeats} trials: {verdict.low_per_s:,.1f} to {verdict.high_per_s:,.1f}. "
        f"Ended because of this: {verdict.ending.value}."
    )
    return [asked, found, sure, *_dearer(tuning, verdict), _against_rule(tuning, verdict)]


def _dearer(tuning: Tuning, verdict: Verdict) -> list[str]:
    """What gave more and was not taken."""
    if tuning.question.goal.rate_per_s is not None:
        return []
    given: dict[Setting, list[float]] = {}
    for trial in tuning.trials:
        given.setdefault(trial.score.setting, []).append(trial.score.goodput_per_s)
    best, most = max(((each, statistics.median(row)) for each, row in given.items()), key=lambda pair: pair[1])
    if most <= verdict.goodput_per_s:
        return []
    more = f"{most / verdict.goodput_per_s - 1:.1%}"
    return [f"{_long(best)} gave {more} more, which is within the noise; the setting chosen costs less."]


def _partial(tuning: Tuning) -> list[str]:
    done = f"Partial: {len(tuning.trials)} of at most {tuning.question.most_trials} trials are done."
    best = max((trial.score for trial in tuning.trials), key=lambda score: score.goodput_per_s, default=None)
    if best is None or not best.reached:
        return [done, "None of them reached that."]
    return [done, f"The best so far: {_long(best.setting)}, {best.goodput_per_s:,.1f} requests/s in one trial."]


def _against_rule(tuning: Tuning, verdict: Verdict) -> str:
    rule, given = verdict.baseline.setting, verdict.baseline.goodput_per_s
    if not any(trial.score.setting == rule for trial in tuning.trials):
        return f"The documented rule ({_long(rule)}) was not tried."
    if rule == verdict.setting:
        return "That is what the documented rule says, too."
    if not given:
        return f"The documented rule ({_long(rule)}) did not reach the goal at any rate tried."
    if tuning.question.goal.rate_per_s is not None:
        return f"The documented rule ({_long(rule)}) gave {given:,.1f} requests/s."
    times = verdict.goodput_per_s / given
    return f"The documented rule ({_long(rule)}) gave {given:,.1f} requests/s; this is {times:,.2f} times as much."


def _long(setting: Setting) -> str:
    workers = "1 worker" if setting.workers == 1 else f"{setting.workers} workers"
    threads = "1 thread" if setting.threads == 1 else f"{setting.threads} threads"
    return f"{workers} of {threads}, C={setting.bound}"


def _nearest(tuning: Tuning, setting: Setting) -> str:
    loads = [load for trial in tuning.trials if trial.score.setting == setting for load in trial.loads]
    calmest = min(loads, key=lambda load: load.seen.rate_per_s)
    return f"at {_rate(calmest.seen.rate_per_s)} requests/s {'; '.join(calmest.missed)}"


def _warnings(tuning: Tuning) -> list[str]:
    unsure = (Ending.EXHAUSTED, Ending.REPEATED)
    found = []
    if tuning.verdict and tuning.verdict.ending in unsure:
        found.append(f"Other settings may be as good: {tuning.verdict.ending.value}.")
    if tuning.verdict and tuning.verdict.repeats < 3 and _is_reached(tuning.verdict):
        found.append("The interval rests on an assumed noise of 5 % a trial: there were fewer than three repeats.")
    return found


def _set(setting: Setting) -> list[Part]:
    lines = "".join(f"{name}={value}\n" for name, value in environment(setting).items())
    why = "# Azure's front end lets twice of this into an instance, so it is half of C.\n"
    return [
        Code("As flags", f"pfserve serve FLOW {flags(setting)}\n"),
        Code("As environment", lines),
        Code("In deployment.yaml", snippet(setting).replace("request_settings:", f"{why}request_settings:")),
    ]


def _heat(tuning: Tuning, chosen: Setting | None) -> list[Part]:
    space = tuning.question.space
    best = {(w, t): _best_at(tuning.trials, w, t) for w in space.workers for t in space.threads}
    at = (space.workers.index(chosen.workers), space.threads.index(chosen.threads)) if chosen else None
    rows = [
        ("1 worker" if workers == 1 else f"{workers} workers", [best[workers, threads] for threads in space.threads])
        for workers in space.workers
    ]
    tried = sum(figure is not None for figure in best.values())
    told = (
        f"Requests a second within the goal: the best median over all C tried. {tried} "
        f"of {len(best)} cells were tried; the others the model ruled out. ★ marks the chosen setting."
    )
    return [Heat("Goodput by workers and threads", "threads of each", list(map(str, space.threads)), rows, at, told)]


def _best_at(trials: Sequence[TrialRecord], workers: int, threads: int) -> float | None:
    found: dict[Setting, list[float]] = {}
    for trial in trials:
        setting = trial.score.setting
        if (setting.workers, setting.threads) == (workers, threads):
            found.setdefault(setting, []).append(trial.score.goodput_per_s)
    return max(map(statistics.median, found.values()), default=None)


def _table(trials: Sequence[TrialRecord]) -> Table:
    heads = ("trial", "workers", "threads", "C", "requests/s", "reached", "memory", "server", "loads", "took", "why")
    rows = [
        (
            str(number),
            str(trial.score.setting.workers),
            str(trial.score.setting.threads),
            str(trial.score.setting.bound),
            f"{trial.score.goodput_per_s:,.1f}",
            "yes" if trial.score.reached else "no",
            f"{trial.score.memory_bytes / 1e6:,.0f} MB",
            f"{trial.cores:.2f} cores",
            str(len(trial.loads)),
            written(trial.lasted_s),
            trial.why,
        )
        for number, trial in enumerate(trials, 1)
    ]
    return Table("Every trial", heads, rows)


def _in_turn(trials: Sequence[TrialRecord]) -> list[Part]:
    xs = [float(number) for number in range(1, len(trials) + 1)]
    ys = [trial.score.goodput_per_s for trial in trials]
    best = [max(ys[: number + 1]) for number in range(len(ys))]
    lines = [Line("trial", xs, ys), Line("best so far", xs, best)]
    told = f"From {ys[0]:,.1f} requests/s by the documented rule to {best[-1]:,.1f} in {len(trials)} trials."
    return [Plot("In turn", told, [Axes("trial", "requests/s", lines, dots=True)])]


def _loads(trials: Sequence[TrialRecord], chosen: Setting) -> list[Part]:
    """Every load of the chosen setting, over its rate."""
    loads = [load for trial in trials if trial.score.setting == chosen for load in trial.loads]
    loads = sorted(loads, key=lambda load: load.seen.rate_per_s)
    answered = [load for load in loads if load.seen.percentiles_s]
    plots = [_over_rate(answered)] if len(answered) > 1 else []
    heads = ("offered", "answered", "refused", "failed", "p50", "p95", "p99", "waited, p95", "goal")
    rows = [
        (
            f"{load.seen.rate_per_s:,.2f}/s",
            f"{load.seen.answered_per_s:,.2f}/s",
            str(load.seen.refused),
            str(load.seen.failed),
            *(written(load.seen.percentiles_s[p]) if load.seen.percentiles_s else "" for p in ("50", "95", "99")),
            written(load.seen.waits_s["95"]) if load.seen.waits_s else "",
            "; ".join(load.missed) or "reached",
        )
        for load in loads
    ]
    return [*plots, Table("Every load", heads, rows)]


def _over_rate(loads: Sequence[LoadRecord]) -> Plot:
    xs = [load.seen.rate_per_s for load in loads]
    times = [Line(f"p{p}", xs, [load.seen.percentiles_s[p] * 1e3 for load in loads]) for p in ("50", "95", "99")]
    rates = [
        Line("answered", xs, [load.seen.answered_per_s for load in loads]),
        Line("refused", xs, [load.seen.refused / load.seen.lasted_s for load in loads]),
    ]
    axes = [
        Axes("", "requests/s", rates, dots=True),
        Axes("requests/s offered", "latency, ms", times, dots=True, logarithmic=True),
    ]
    return Plot(
        "Over the offered rate", f"Each dot is a load, from {_rate(xs[0])} to {_rate(xs[-1])} requests/s.", axes
    )


def _what_if(tuning: Tuning, chosen: Setting) -> WhatIf:
    facts = tuning.facts
    rate = max(trial.score.goodput_per_s for trial in tuning.trials if trial.score.setting == chosen)
    for trial in tuning.trials:
        facts = facts.learn(trial.score.setting, trial.score.goodput_per_s)
    return WhatIf(
        title="Instances, slots and waiting",
        rate_per_s=rate or 1.0,
        service_s=facts.hold_s,
        slots=chosen.slots,
        bound=chosen.bound,
        cpu_s=facts.cpu_s,
        cores=facts.cores,
        origin=f"the chosen setting, its goodput, and the longest time for which a request can have kept a slot "
        f"({written(facts.hold_s)}), as the trials bound it",
    )


def _asked(tuning: Tuning) -> list[Part]:
    question = tuning.question
    space = question.space
    return [
        Lines(
            "Asked",
            [
                f"flow {question.flow}",
                goal_told(question.goal),
                f"workers {space.workers[0]} to {space.workers[-1]}, threads {', '.join(map(str, space.threads))}, "
                f"C {', '.join(map(str, space.bounds))}: a grid of {len(space)} settings",
                f"at most {question.most_trials} trials; loads of {written(question.load_s)}, Poisson arrivals, seed "
                f"{question.seed}",
                f"further arguments of the server: {' '.join(question.serve_args) or 'none'}",
            ],
        ),
        Lines("Machine", [f"{name}: {fact}" for name, fact in tuning.machine.items()]),
    ]


def _facts(tuning: Tuning) -> list[Part]:
    facts = tuning.facts
    return [
        Lines(
            "What the model began with",
            [
                f"{facts.cores} cores; a request alone takes {written(facts.latency_s)}",
                f"of these {written(facts.cpu_s)} are CPU; it keeps a slot for {written(facts.hold_s)} at most",
                f"{facts.waiting_share:.0%} of its time it waits without a slot",
            ],
        )
    ]
