from __future__ import annotations

import msgspec
import pytest
from click.testing import CliRunner

from bench import against, cli, compare_command
from bench.budgets import NUMBERS, judge
from bench.change import Change, Outcome
from bench.compare import Comparison
from bench.part import Part
from bench.series import Series


@pytest.fixture
def run(monkeypatch, tmp_path):
    """Runs the command with a comparison that finds what it is told, and keeps what it was asked for."""

    def invoke(*args, p50_ms=0.1, problem=None):
        def compare(numbers, settings, say):
            run.asked = (tuple(numbers), settings)
            if problem is not None:
                raise problem
            verdict = judge("P2.p50", Series("pfserve", "p50", "ms", (p50_ms,)))
            return Comparison({}, settings.rounds, settings.seconds, {"P2": Part((), (verdict,))})

        run = invoke
        monkeypatch.setattr(compare_command, "compare", compare)
        return CliRunner().invoke(cli.main, ["compare", "--examples", str(tmp_path), *args])

    return invoke


def test_every_budget_unless_told_otherwise(run):
    assert run().exit_code == 0
    assert run.asked[0] == NUMBERS


def test_only_some_with_other_settings(run):
    assert run("--only", "P2,P7", "--rounds", "3", "--seconds", "2").exit_code == 0
    numbers, settings = run.asked
    assert (numbers, settings.rounds, settings.seconds) == (("P2", "P7"), 3, 2)


def test_a_missed_budget_is_exit_1_with_the_report(run):
    result = run(p50_ms=0.2)
    assert result.exit_code == 1
    assert "MISSED" in result.stdout


@pytest.mark.parametrize("problem", [RuntimeError("pfserve ended with 3"), FileNotFoundError("no wrk")])
def test_what_could_not_be_measured_is_told_in_a_sentence(run, problem):
    result = run(problem=problem)
    assert result.exit_code == 1
    assert result.stderr == f"Error: {problem}\n"


def test_an_unknown_budget_is_named(run):
    result = run("--only", "P1,P99")
    assert result.exit_code == 2
    assert "P99" in result.stderr


def test_the_json_holds_the_samples(run, tmp_path):
    run("--json", str(tmp_path / "samples.json"))
    written = msgspec.json.decode((tmp_path / "samples.json").read_bytes())
    assert written["parts"]["P2"]["verdicts"][0]["measured"]["samples"] == [0.1]


def test_the_given_interpreter_is_used_as_it_is(run, tmp_path):
    python = tmp_path / "python"
    python.touch()
    run("--promptflow-python", str(python))
    assert run.asked[1].promptflow() == python


# -- The gate --------------------------------------------------------------------------------------


def change(outcome):
    return Change("P2.p50", Series("pfserve / baseline", "p50", "x", (1.2,)), 0.0001, outcome)


@pytest.mark.parametrize(
    ("outcome", "code"), [(Outcome.REGRESSED, 1), (Outcome.IMPROVED, 0), (Outcome.UNCHANGED, 0), (Outcome.TOO_FEW, 0)]
)
def test_only_a_regression_beside_another_version_is_exit_1(monkeypatch, tmp_path, outcome, code):
    def fake(python, numbers, examples, rounds, seconds, *, say):
        assert (tuple(numbers), rounds) == (against.NUMBERS, against.ROUNDS)
        return against.Gate({}, rounds, seconds, (change(outcome),), (), ())

    monkeypatch.setattr(against, "against", fake)
    python = tmp_path / "python"
    python.touch()
    result = CliRunner().invoke(cli.main, ["compare", "--examples", str(tmp_path), "--against", str(python)])
    assert result.exit_code == code
    assert outcome.value in result.stdout


def comparison(figure):
    verdict = judge("P1.async", Series("pfserve", "requests/s", "x", (figure,) * 15))
    return Comparison({}, 15, 4, {"P1": Part((), (verdict,))})


@pytest.mark.parametrize(("before", "now", "code"), [(0.5, 0.5, 0), (2.0, 1.5, 1)])
def test_with_a_baseline_the_change_decides_and_not_the_budget(monkeypatch, tmp_path, before, now, code):
    file = tmp_path / "before.json"
    file.write_bytes(msgspec.json.encode(comparison(before)))
    asked = []

    def fake(numbers, settings, say):
        asked.append(settings.rounds)
        return comparison(now)

    monkeypatch.setattr(compare_command, "compare", fake)
    result = CliRunner().invoke(cli.main, ["compare", "--examples", str(tmp_path), "--baseline", str(file)])
    assert result.exit_code == code
    assert ("MISSED" in result.stdout) is (now < 0.9)
    assert asked == [against.ROUNDS]


def test_a_baseline_with_nothing_to_compare_is_exit_2(run, tmp_path):
    before = tmp_path / "before.json"
    run("--json", str(before))
    result = run("--baseline", str(before))
    assert result.exit_code == 2
    assert "could be compared" in result.stderr


@pytest.mark.parametrize(
    ("args", "told"),
    [
        (["--baseline", "no.json", "--against", "{here}"], "not both"),
        (["--baseline", "no.json"], "no.json is not what compare --json writes"),
        (["--against", "{here}", "--only", "P9"], "no such budget: P9"),
    ],
)
def test_mistakes_of_a_gate_are_exit_2(run, tmp_path, args, told):
    python = tmp_path / "python"
    python.touch()
    result = run(*(arg.replace("{here}", str(python)) for arg in args))
    assert result.exit_code == 2
    assert told in result.stderr


def test_with_a_gate_what_could_not_be_measured_is_no_regression(run, tmp_path):
    before = tmp_path / "before.json"
    run("--json", str(before))
    assert run("--baseline", str(before), problem=RuntimeError("no wrk")).exit_code == 2
