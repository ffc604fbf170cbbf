from __future__ import annotations

from types import SimpleNamespace

import pytest

from bench.recorder import DiskProblem
from bench.schedule import Closed, Span
from bench.tuner import Goal, Limit, Setting
from bench.tuner.goal import Seen
from bench.tuning import measure as tuning_measure
from bench.tuning.measure import VOID_REPEATS, Interrupted, Site, Void, score
from bench.tuning.record import LoadRecord

SETTING = Setting(2, 4, 16)
GOAL = Goal((Limit("95", 2.0),), 0.2)


def load(rate, *missed, refused=0.0, answered=None, file="a.pftrial"):
    count = int(rate * 10)
    percentiles = {"95": 1.0} if file else {}
    shown = Seen(rate, count, answered or rate * (1 - refused), 10.0, int(count * refused), 0, percentiles)
    return LoadRecord(shown, missed, file)


def test_between_the_last_that_reached_the_goal_and_the_first_that_did_not():
    assert score(GOAL, SETTING, [load(100), load(104, "slow", answered=103)], 7).goodput_per_s == pytest.approx(
        (100 * 104) ** 0.5
    )


def test_refusals_within_the_goal_are_no_goodput():
    found = score(GOAL, SETTING, [load(100, refused=0.1), load(102, "refused", answered=110)], 7)
    assert found.goodput_per_s == pytest.approx(0.9 * (100 * 102) ** 0.5)


def test_no_more_than_was_ever_answered():
    assert score(GOAL, SETTING, [load(100, answered=90)], 7).goodput_per_s == 90


def test_a_load_that_could_not_be_believed_bounds_the_rate_and_says_nothing_else():
    found = score(GOAL, SETTING, [load(150, "void", answered=0.001, file=""), load(100)], 7)
    assert (found.goodput_per_s, found.reached) == (100, True)


def test_no_rate_reached():
    found = score(GOAL, SETTING, [load(100, "slow"), load(1, "slow")], 7)
    assert (found.goodput_per_s, found.reached, found.memory_bytes) == (0, False, 7)


@pytest.mark.parametrize(("missed", "goodput"), [((), 100), (("slow",), 95)])
def test_at_a_wanted_rate(missed, goodput):
    goal = Goal((Limit("95", 2.0),), 0.2, rate_per_s=100)
    found = score(goal, SETTING, [load(100, *missed, answered=95)], 7)
    assert (found.goodput_per_s, found.reached) == (goodput, not missed)


@pytest.mark.parametrize(
    ("reason", "voids", "raised"),
    [
        ("it was interrupted", [], Interrupted),
        ("a generator died; it was interrupted", ["a generator died"], Interrupted),  # not loaded once more
        ("the record could not be written: a.pftrial: No space left on device", [], DiskProblem),
        ("", ["late"], Void),
    ],
)
def test_a_load_that_was_cut_short_says_by_what(reason, voids, raised, tmp_path, monkeypatch):
    told = SimpleNamespace(reason=reason, voids=voids, complete=not reason)
    loads = []

    def run(trial, say):
        loads.append(trial)
        (tmp_path / "a.pftrial").touch()
        return tmp_path / "a.pftrial"

    for name, fake in (("run", run), ("read", lambda path: path), ("summarise", lambda record: told)):
        monkeypatch.setattr(tuning_measure, name, fake)
    monkeypatch.setattr(tuning_measure.time, "sleep", lambda seconds: None)
    server = SimpleNamespace(address="http://127.0.0.1:1")
    with pytest.raises(raised, match="No space" if raised is DiskProblem else None):
        Site(tmp_path, (), None, 2, 1.0, 0, tmp_path).load(server, Closed(1), Span(0, count=1), 0)
    assert len(loads) == (VOID_REPEATS if raised is Void else 1)
