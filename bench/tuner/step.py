"""The decision: which setting to try next, or which one it is."""

from __future__ import annotations

import enum
import math
import statistics
from collections.abc import Mapping, Sequence

import msgspec

from .goal import Goal
from .interval import interval, noise
from .model import Facts, corrected
from .setting import Setting, Space, documented

BONUS = 0.10  # a setting of which nothing is known may be so much better than forecast
WORTH = 1.01  # of the best: less is not worth a trial
DEARER_WORTH = 1.03  # where it costs more
NEIGHBOUR_WORTH = 0.96
TIED = 0.95  # of the best: near enough to be it
AS_GOOD = 0.975  # of the best median: what is cheaper is taken then, once it was tried often enough
SURE = 3  # trials after which a median counts
PLAUSIBLE = 0.8  # of the best: what the model gives less is not tried for being cheaper
THRIFT_LEAVES = 4  # trials for repeats
MOST_CONTENDERS = 3
REPEATS = 5
GIVE_UP = 4  # settings of which none served even the lowest rate within the goal
EXPLORING_SHARE = 0.65  # of the trials allowed; the others are for repeats


class Score(msgspec.Struct, frozen=True):
    """What one trial of a setting gave."""

    setting: Setting
    goodput_per_s: float  # with a wanted rate: that rate, or what was answered where it was missed
    reached: bool  # whether any load, or the one at the wanted rate, reached the goal
    memory_bytes: int = 0


class Step(msgspec.Struct, frozen=True, tag="step"):
    """Try this."""

    setting: Setting
    why: str


class Ending(enum.Enum):
    """Why there is nothing more to try."""

    SEPARATED = "its 95 % interval lies above all others"
    COVERED = "no other can be more than 5 % better: their 95 % intervals end below"
    REPEATED = "five repeats each do not tell it from the next ones"
    CHEAPEST = "it reached the goal every time, and nothing cheaper did or is forecast to"
    EXHAUSTED = "as many trials as were allowed"
    UNREACHED = "no setting reached the goal"


class Baseline(msgspec.Struct, frozen=True):
    """What the documented rule gives."""

    setting: Setting
    goodput_per_s: float


class Verdict(msgspec.Struct, frozen=True, tag="verdict"):
    """The setting found, or, of :attr:`Ending.UNREACHED`, the one that came nearest."""

    setting: Setting
    goodput_per_s: float  # median of its trials
    low_per_s: float
    high_per_s: float
    repeats: int
    memory_bytes: int
    ending: Ending
    baseline: Baseline


def step(space: Space, goal: Goal, facts: Facts, scores: Sequence[Score], most_trials: int) -> Step | Verdict:
    """What the trials so far call for. Pure: the same trials give the same answer."""
    start = space.snap(documented(facts.cores, facts.latency_s))
    if not scores:
        return Step(start, "the documented rule: what has to be beaten")
    seen = _by_setting(scores)
    if _is_hopeless(goal, facts, seen):
        return _verdict(goal, seen, start, Ending.UNREACHED)
    if len(scores) >= most_trials:
        return _verdict(goal, seen, start, Ending.EXHAUSTED)
    for score in scores:
        facts = facts.learn(score.setting, score.goodput_per_s)
    if goal.rate_per_s is not None:
        return _least_memory(space, goal, facts, seen, start)
    found = _explore(space, goal, facts, seen) if len(seen) < EXPLORING_SHARE * most_trials else None
    if found is None and most_trials - len(scores) > THRIFT_LEAVES:
        found = _save(space, facts, goal.tightest_s, seen)
    return found or _repeat(goal, seen, start)


Seen = Mapping[Setting, Sequence[Score]]


def _is_hopeless(goal: Goal, facts: Facts, seen: Seen) -> bool:
    """Whether a request alone takes longer than is asked, or enough settings served no rate at all."""
    if any(score.reached for scores in seen.values() for score in scores):
        return False
    return facts.latency_s > goal.tightest_s or (goal.rate_per_s is None and len(seen) >= GIVE_UP)


def _by_setting(scores: Sequence[Score]) -> Seen:
    seen: dict[Setting, list[Score]] = {}
    for score in scores:
        seen.setdefault(score.setting, []).append(score)
    return seen


def _medians(seen: Seen) -> dict[Setting, float]:
    return {setting: statistics.median(each.goodput_per_s for each in scores) for setting, scores in seen.items()}


def _explore(space: Space, goal: Goal, facts: Facts, seen: Seen) -> Step | None:
    """The setting that may be better than the best, first by the model, then around the best."""
    medians = _medians(seen)
    best = max(medians, key=lambda setting: medians[setting])
    hopes = {}
    forecasts = {}
    for setting in space:
        if setting not in seen:
            forecasts[setting], unknown = corrected(setting, facts, goal.tightest_s, medians)
            hopes[setting] = forecasts[setting] * (1 + BONUS * unknown)
    worth = {each: hope for each, hope in hopes.items() if hope > _worth(each, best) * medians[best]}
    if worth:
        top = max(worth.values())
        cheapest = min(setting for setting, hope in worth.items() if hope >= top / WORTH)
        return Step(cheapest, f"the model expects {forecasts[cheapest]:,.1f} requests/s")
    near = [each for each in space.neighbours(best) if each in hopes and hopes[each] >= NEIGHBOUR_WORTH * medians[best]]
    if near:
        return Step(max(near, key=lambda each: hopes[each]), f"next to the best, {best}")
    return None


def _worth(setting: Setting, best: Setting) -> float:
    """What it must promise, as a share of the best: among equals there is always one more that might be luckier."""
    return WORTH if setting < best else DEARER_WORTH


def _save(space: Space, facts: Facts, limit_s: float, seen: Seen) -> Step | None:
    """Something cheaper than the best that may be as good: fewer workers with as many slots, or fewer threads."""
    medians = _medians(seen)
    leader = _choice(seen)
    if _open(seen, leader):
        return None  # what was tried already is decided first, by repeats
    for row in _cheaper(space, leader):
        tried = [index for index, each in enumerate(row) if each in seen]
        rest = row[tried[-1] + 1 :] if tried else row
        hopeful = [each for each in rest if corrected(each, facts, limit_s, medians)[0] >= PLAUSIBLE * medians[leader]]
        if hopeful:
            return Step(hopeful[len(hopeful) // 2 if tried else 0], f"cheaper than {leader}, and as good?")
    return None


def _cheaper(space: Space, leader: Setting) -> tuple[list[Setting], list[Setting]]:
    """What saves workers at no fewer slots, and what saves threads. Each begins with the cheapest."""
    fewer = [each for each in space.workers if each < leader.workers]
    as_many = [space.snap(Setting(each, math.ceil(leader.slots / each), leader.bound)) for each in fewer]
    return (
        [each for each in as_many if each.slots >= leader.slots],
        [Setting(leader.workers, each, leader.bound) for each in space.threads if each < leader.threads],
    )


def _choice(seen: Seen) -> Setting:
    """The cheapest of those that are as good as the best."""
    medians, bounds = _medians(seen), _bounds(seen)
    best = max(medians, key=lambda each: medians[each])

    def is_as_good(setting: Setting) -> bool:
        if len(seen[setting]) < SURE:
            return medians[setting] >= medians[best] / WORTH
        return medians[setting] >= AS_GOOD * medians[best] and bounds[setting][1] >= bounds[best][0]

    return min(filter(is_as_good, medians))


def _open(seen: Seen, leader: Setting) -> list[Setting]:
    """What is cheaper than the leader and may prove as good by repeats; the best first."""
    medians, bounds = _medians(seen), _bounds(seen)
    enough = AS_GOOD * max(medians.values())
    found = [each for each in seen if each < leader and len(seen[each]) < SURE and bounds[each][1] >= enough]
    return sorted(found, key=lambda each: (-medians[each], each))


def _repeat(goal: Goal, seen: Seen, start: Setting) -> Step | Verdict:
    """Again, in turn, those that may be the best, or as good and cheaper."""
    medians, bounds = _medians(seen), _bounds(seen)
    leader = _choice(seen)
    if not any(score.reached for score in seen[leader]):
        return _verdict(goal, seen, start, Ending.UNREACHED)
    order = sorted((each for each in medians if each != leader), key=lambda each: (-medians[each], each))
    better = [each for each in order if bounds[each][1] > bounds[leader][0]]
    cheaper = _open(seen, leader)
    rivals = list(dict.fromkeys([*better[:1], *cheaper[:1], *better[1:]]))[: MOST_CONTENDERS - 1]
    if len(seen[leader]) >= SURE and not cheaper:
        if not better:
            return _verdict(goal, seen, start, Ending.SEPARATED)
        if all(bounds[each][1] * TIED <= medians[leader] for each in rivals):
            return _verdict(goal, seen, start, Ending.COVERED)
    if all(len(seen[each]) >= REPEATS for each in (leader, *rivals)):
        return _verdict(goal, seen, start, Ending.REPEATED)
    again = min((leader, *rivals), key=lambda each: (len(seen[each]), -medians[each]))
    return Step(again, "again: noise decides" if rivals else "again: how sure is it")


def _bounds(seen: Seen) -> dict[Setting, tuple[float, float]]:
    """The interval of each, as wide as those that were repeated say."""
    samples = {setting: [score.goodput_per_s for score in scores] for setting, scores in seen.items()}
    spread = noise(samples.values())
    return {setting: interval(row, spread) for setting, row in samples.items()}


def _least_memory(space: Space, goal: Goal, facts: Facts, seen: Seen, start: Setting) -> Step | Verdict:
    """The cheapest that is forecast to serve the rate, and cheaper than all that did."""
    rate_per_s = goal.rate_per_s or 0.0
    medians = _medians(seen)
    good = sorted(each for each, scores in seen.items() if all(score.reached for score in scores))
    cheaper = [each for each in space if each not in seen and (not good or each < good[0])]
    cheaper = [each for each in cheaper if not any(_covers(failed, each) for failed in _failed(seen))]
    forecasts = {each: corrected(each, facts, goal.tightest_s, medians)[0] for each in cheaper}
    hopeful = [each for each in cheaper if forecasts[each] >= rate_per_s]
    if hopeful:
        return Step(min(hopeful), "the cheapest that the model expects to serve the rate")
    if good:
        for row in _cheaper(space, good[0]):
            if left := [each for each in row if forecasts.get(each, 0.0) >= PLAUSIBLE * rate_per_s]:
                return Step(left[len(left) // 2], f"cheaper than {good[0]}, and as good?")
    if good and len(seen[good[0]]) < SURE:
        return Step(good[0], "again: how sure is it")
    if good:
        return _verdict(goal, seen, start, Ending.CHEAPEST)
    if cheaper:
        return Step(max(cheaper, key=lambda each: forecasts[each]), "the most able")
    return _verdict(goal, seen, start, Ending.UNREACHED)


def _failed(seen: Seen) -> list[Setting]:
    return [each for each, scores in seen.items() if not all(score.reached for score in scores)]


def _covers(failed: Setting, other: Setting) -> bool:
    """What is less on every axis cannot do better."""
    return other.workers <= failed.workers and other.threads <= failed.threads and other.bound <= failed.bound


def _verdict(goal: Goal, seen: Seen, start: Setting, ending: Ending) -> Verdict:
    medians = _medians(seen)
    good = [each for each, scores in seen.items() if any(score.reached for score in scores)]
    if not good:
        ending = Ending.UNREACHED
        chosen = max(medians, key=lambda each: (medians[each], each))
    elif goal.rate_per_s is not None:
        chosen = min(good, key=lambda each: (not all(score.reached for score in seen[each]), each))
    else:
        chosen = _choice({each: seen[each] for each in good})
    low, high = _bounds(seen)[chosen]
    memory = int(statistics.median(score.memory_bytes for score in seen[chosen]))
    return Verdict(
        setting=chosen,
        goodput_per_s=medians[chosen],
        low_per_s=low,
        high_per_s=high,
        repeats=len(seen[chosen]),
        memory_bytes=memory,
        ending=ending,
        baseline=Baseline(start, medians.get(start, 0.0)),
    )
