"""The page about a tuning."""

from __future__ import annotations

import pytest
from click.testing import CliRunner

from bench.cli import main
from bench.report import html, markdown
from bench.report.document import Heat
from bench.report.tuning import document, goal_told
from bench.tuner import Goal, Limit
from bench.tuner.step import Ending
from tunings import FOUND, RULE, trial, tuning, verdict


def parts(page, kind):
    return [part for section in page.sections for part in section.parts if isinstance(part, kind)]


def test_words():
    assert document(tuning(verdict())).summary == [
        "Asked: the most successes a second with p95 ≤ 2 s, refused and failed together ≤ 1.00%.",
        "2 workers of 4 threads, C=16 gave 71.0 requests/s, 80 MB.",
        "95 % interval of 3 trials: 69.0 to 73.0. Ended because of this: its 95 % interval lies above all others.",
        "The documented rule (2 workers of 1 thread, C=4) gave 19.0 requests/s; this is 3.74 times as much.",
    ]


@pytest.mark.parametrize(("per_s", "written"), [(0.5, "0.5"), (999.5, "999.5"), (12345.6, "12,346")])
def test_a_rate_is_written_as_people_write_it(per_s, written):
    assert f"serves {written} requests/s" in goal_told(Goal((Limit("95", 2.0),), 0.01, per_s))


def test_what_gave_more_and_was_not_taken_is_told():
    cheaper = verdict(setting=RULE, goodput_per_s=70.0)
    page = document(tuning(cheaper, trial(RULE, 70.0), trial(FOUND, 71.0)))
    assert page.summary[3] == (
        "2 workers of 4 threads, C=16 gave 1.4% more, which is within the noise; the setting chosen costs less."
    )


def test_the_grid_marks_what_was_chosen_and_leaves_open_what_was_not_tried():
    [heat] = parts(document(tuning(verdict())), Heat)
    assert heat.rows[1] == ("2 workers", [19.0, 71.0])
    assert heat.rows[0] == ("1 worker", [None, None])
    assert heat.chosen == (1, 1)


def test_a_goal_that_nothing_reaches():
    unreached = verdict(Ending.UNREACHED, setting=RULE, goodput_per_s=0.0)
    page = document(tuning(unreached, trial(RULE, 0.0), trial(FOUND, 0.0)))
    assert page.summary[1] == (
        "No setting tried reached that. The nearest was 2 workers of 1 thread, C=4: at 1 requests/s p95 was 3 s."
    )
    assert "The setting" not in [section.title for section in page.sections]


def test_doubts_are_warnings():
    assert document(tuning(verdict())).warnings == []
    doubted = document(tuning(verdict(Ending.EXHAUSTED, repeats=1))).warnings
    assert [warning.partition(":")[0] for warning in doubted] == [
        "Other settings may be as good",
        "The interval rests on an assumed noise of 5 % a trial",
    ]


def test_one_that_is_not_finished_says_so():
    page = document(tuning(None))
    assert page.summary[1:] == [
        "Partial: 4 of at most 16 trials are done.",
        "The best so far: 2 workers of 4 threads, C=16, 72.0 requests/s in one trial.",
    ]


def test_the_least_memory():
    goal = Goal((Limit("95", 2.0),), 0.01, rate_per_s=20)
    assert (
        "the least memory that serves 20 requests/s with p95 ≤ 2 s" in document(tuning(verdict(), goal=goal)).summary[0]
    )


def test_the_pages(tmp_path):
    text = markdown.page(document(tuning(verdict())))
    assert "```\npfserve serve FLOW --workers 2 --threads 4 --max-concurrent-requests 16\n```" in text
    assert "| 2 workers | 19 | **71** |" in text
    assert "| 72.80/s | 72.80/s | 2 | 0 | 100 ms | 200 ms | 300 ms | 50 ms | a line grew |" in text
    pytest.importorskip("matplotlib")
    assert "★" in html.page(document(tuning(verdict())))


def test_the_command_reports_a_folder(tmp_path):
    tuning(verdict()).save(tmp_path)
    ran = CliRunner().invoke(main, ["report", str(tmp_path)])
    assert (ran.exit_code, ran.output.splitlines()[0]) == (0, "# Tuning of ask")
    tuning(None).save(tmp_path)
    assert CliRunner().invoke(main, ["report", str(tmp_path), "--format", "json"]).exit_code == 1
    twice = CliRunner().invoke(main, ["report", str(tmp_path), str(tmp_path)])
    assert (twice.exit_code, "a tuning is reported alone" in twice.output) == (2, True)
