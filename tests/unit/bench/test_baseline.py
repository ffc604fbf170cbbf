"""A comparison beside an earlier one: which lines count, and what is said about the rest."""

from __future__ import annotations

import msgspec
import pytest

from bench.baseline import STEADY, beside, read_past
from bench.budgets import BUDGETS, judge
from bench.change import Outcome
from bench.changes_page import page, regressed
from bench.compare import Comparison
from bench.mistake import Mistake
from bench.part import Part
from bench.series import Series


def comparison(*, voids=(), **lines):
    """One part, P1. Every line's samples lie around its figure."""
    verdicts = tuple(
        judge(key.replace("__", "."), Series("pfserve", "requests/s", "x", tuple(figure + n / 1000 for n in range(15))))
        for key, figure in lines.items()
    )
    return Comparison({"commit": "abc"}, 15, 4, {"P1": Part((), verdicts, voids)})


@pytest.fixture
def past(tmp_path):
    def write(found):
        file = tmp_path / "baseline.json"
        file.write_bytes(msgspec.json.encode(found))
        return read_past(file)

    return write


def test_every_steady_line_is_a_budget():
    assert set(STEADY) <= {budget.key for budget in BUDGETS}


def test_a_line_that_lost_a_fifth_regressed(past):
    found = beside(comparison(P1__async=1.28, P1__tls=0.7), past(comparison(P1__async=1.6, P1__tls=0.7)))
    assert [change.outcome for change in found.changes] == [Outcome.REGRESSED, Outcome.UNCHANGED]
    assert [change.key for change in found.changes] == ["P1.async", "P1.tls"]
    assert found.left_out == ()


@pytest.mark.parametrize("figure", [1.6, 1.5, 1.7])
def test_what_two_runs_of_the_same_code_differ_by_is_no_regression(past, figure):
    found = beside(comparison(P1__async=figure), past(comparison(P1__async=1.6)))
    assert not regressed(found.changes)


def test_more_memory_is_the_worse_side(past):
    found = beside(comparison(P3__memory=8.0), past(comparison(P3__memory=6.0)))
    assert regressed(found.changes)


def test_what_another_day_moves_or_is_void_is_left_out_and_named(past):
    found = beside(comparison(P2__p50=0.3, **{"P1__async-flask": 60.0}), past(comparison(P2__p50=0.1)))
    assert found.changes == ()
    assert [line.partition(":")[0] for line in found.left_out] == ["P2.p50", "P1.async-flask"]
    void = comparison(P1__async=1.0, voids=("others used 0.9 cores",))
    assert beside(void, past(comparison(P1__async=1.6))).left_out == ("P1.async: this run is void",)
    assert beside(comparison(P1__async=1.6), past(void)).left_out == ("P1.async: the baseline is void",)
    assert beside(comparison(P1__async=1.6), past(comparison())).left_out == (
        "P1.async: the baseline does not have it",
    )


def test_too_few_rounds_are_told(past):
    few = comparison(P1__async=1.0).parts["P1"].verdicts[0]
    few = msgspec.structs.replace(few, measured=msgspec.structs.replace(few.measured, samples=(1.0, 1.0)))
    now = Comparison({}, 2, 4, {"P1": Part((), (few,))})
    assert beside(now, past(now)).changes[0].outcome is Outcome.TOO_FEW


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"machine": {}}'])
def test_a_file_of_another_kind_is_named(tmp_path, text):
    file = tmp_path / "other.json"
    file.write_text(text)
    with pytest.raises(Mistake, match=r"other\.json is not what compare --json writes"):
        read_past(file)


def test_a_sample_that_was_no_number_is_left_out(past):
    told = msgspec.json.encode(comparison(P1__async=1.6)).replace(b"1.6,", b"null,", 1)
    found = beside(comparison(P1__async=1.6), past(msgspec.Raw(told)))
    assert not regressed(found.changes)


def test_the_page(past):
    found = beside(comparison(P1__async=1.2, P2__p50=0.1), past(comparison(P1__async=1.6)))
    assert page({"commit": "abc"}, found.changes, found.left_out) == (
        "commit: abc\n"
        "\n"
        "          of the baseline  min    max    p\n"
        "P1.async  0.751            0.747  0.755  6.4e-09  REGRESSED\n"
        "\n"
        "note: P2.p50: another day moves it, or it is measured too seldom\n"
        "\n"
        "REGRESSED: chance gives this in less than one run of a hundred"
    )
