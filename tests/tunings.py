"""A tuning made by hand."""

from __future__ import annotations

from collections.abc import Sequence

from bench.tuner import Baseline, Facts, Goal, Limit, Score, Setting, Space, Verdict
from bench.tuner.goal import Seen
from bench.tuner.step import Ending
from bench.tuning.record import LoadRecord, Question, TrialRecord, Tuning

RULE, FOUND = Setting(2, 1, 4), Setting(2, 4, 16)
GOAL = Goal((Limit("95", 2.0),), 0.01)
PERCENTILES = {"50": 0.1, "95": 0.2, "99": 0.3}


def load(rate: float, missed: Sequence[str] = ()) -> LoadRecord:
    seen = Seen(rate, int(rate * 5), rate, 5.0, 2 if missed else 0, 0, PERCENTILES, {"95": 0.05})
    return LoadRecord(seen, missed, "a.pftrial")


def trial(setting: Setting, goodput: float) -> TrialRecord:
    loads = [load(goodput), load(goodput * 1.04, ["a line grew"])] if goodput else [load(1.0, ["p95 was 3 s"])]
    return TrialRecord(Score(setting, goodput, goodput > 0, 80_000_000), "because", loads, 0.5, 20.0)


def verdict(ending: Ending = Ending.SEPARATED, **changes: object) -> Verdict:
    whole: dict[str, object] = {
        "setting": FOUND,
        "goodput_per_s": 71.0,
        "low_per_s": 69.0,
        "high_per_s": 73.0,
        "repeats": 3,
        "memory_bytes": 80_000_000,
        "ending": ending,
        "baseline": Baseline(RULE, 19.0),
    }
    return Verdict(**(whole | changes))  # type: ignore[arg-type]


def tuning(verdict: Verdict | None, *trials: TrialRecord, goal: Goal = GOAL) -> Tuning:
    space = Space([1, 2, 3, 4], [1, 4], [4, 16])
    question = Question("/flows/ask", goal, space, 16, (), "", 5.0, 0)
    told = trials or (trial(RULE, 19.0), trial(FOUND, 70.0), trial(FOUND, 71.0), trial(FOUND, 72.0))
    return Tuning(question, {"processor": "2 x a processor"}, Facts(2, 0.101, 0.001, 0.1), told, verdict)
