from __future__ import annotations

import msgspec
import pytest
from click.testing import CliRunner

from bench import cli
from bench.budgets import NUMBERS, judge
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
        monkeypatch.setattr(cli, "compare", compare)
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
