"""Pages about trials, as data, as Markdown and, where the library that draws is there, as HTML."""

from __future__ import annotations

import re

import msgspec
import pytest
from click.testing import CliRunner

from bench.cli import main
from bench.report import html, markdown, trials
from bench.report.document import Heat, Plot, Section, WhatIf
from bench.sample import Outcome
from bench.schedule import Closed
from bench.trial.summary import Second
from records import sample, told_by


@pytest.fixture
def trial(tmp_path):
    """A trial of 10 seconds at so many requests a second, of which some were refused."""

    def make(per_s: int = 10, latency_ms: float = 5, refused: int = 0, failed_at: tuple[int, ...] = (), **kwargs):
        samples = [sample(1000 + 1000 * number / per_s, latency_ms=latency_ms) for number in range(10 * per_s)]
        samples += [sample(1500, outcome=Outcome.REFUSED, status=429) for _ in range(refused)]
        samples += [sample(at_ms, outcome=Outcome.FAILED, status=503) for at_ms in failed_at]
        return told_by(tmp_path / f"{per_s}.pftrial", samples, **kwargs)

    return make


def titles(document, kind):
    return [
        (section.title, part.title) for section in document.sections for part in section.parts if isinstance(part, kind)
    ]


def test_words_come_first(trial):
    document = trials.document([("a", trial(refused=100))])
    assert document.title == "Trial a"
    assert document.summary[0] == "20.0 requests/s were offered for 10 s: 50.00% success, 50.00% refused."
    assert document.summary[1].startswith("Of the successes half took up to 5 ms, 95 % up to 5 ms")
    assert document.warnings == ["the latency of successes leaves out 50.0% of what was sent"]


def test_a_void_trial_says_so_in_its_first_words(trial):
    empty = trials.document([("a", trial(per_s=0))])
    assert empty.summary == ["no request was measured."]
    assert "VOID, not to be believed: no request was measured" in empty.warnings


def test_one_trial_is_drawn_over_time_and_by_percent(trial):
    document = trials.document([("a", trial(refused=3))])
    assert titles(document, Plot) == [("a", "Over time"), ("a", "Percentiles"), ("a", "Over the offered rate")]
    over_time = document.sections[0].parts[0]
    assert [line.name for line in over_time.axes[0].lines] == ["offered", "success", "refused"]
    assert list(over_time.axes[0].lines[2].ys) == [3, 0, 0, 0, 0, 0, 0, 0, 0, 0]


def test_a_steady_trial_and_a_closed_loop_are_not_drawn_over_the_rate(trial):
    assert ("a", "Over the offered rate") not in titles(trials.document([("a", trial())]), Plot)
    closed = trial(refused=3, load=Closed(2))
    assert ("a", "Over the offered rate") not in titles(trials.document([("a", closed)]), Plot)


def test_several_trials_are_drawn_over_their_rates(trial):
    document = trials.document([("fast", trial(40)), ("slow", trial(20, refused=10))])
    _, plot, percentiles = document.sections[0].parts
    assert (document.sections[0].title, plot.title) == ("All trials", "Over the offered rate")
    assert [line.name for line in percentiles.axes[0].lines] == ["fast", "slow"]
    assert [line.name for line in plot.axes[0].lines] == ["success", "refused"]
    assert list(plot.axes[0].lines[0].xs) == [21, 40]
    assert list(plot.axes[1].lines[0].ys) == pytest.approx([5, 5], rel=2e-3)


def test_several_trials_are_told_in_few_words_and_one_table(trial):
    """However many there are."""
    void, cut = trial(0), trial(30, end=None)
    named = [(f"t{per_s}", trial(per_s, refused=per_s)) for per_s in range(10, 20)]
    document = trials.document([*named, ("void", void), ("cut", cut)])
    assert document.summary == [
        "12 trials, 0.0 to 30.1 requests/s offered: 90.91% to 100.00% success.",
        "Of the successes of a trial half took up to 5 ms, 99 % up to 5 ms, counted from the time at which each was "
        "meant to begin.",
        "1 of them is VOID.",
        "1 of them is partial.",
    ]
    table = document.sections[0].parts[0]
    assert table.heads == ("trial", "offered", "answered", "success", "refused", "failed", "p50", "p95", "p99", "")
    assert table.rows[0][:6] == ("t10", "11.0/s", "10.0/s", "90.91%", "9.09%", "0.00%")
    assert [row[-1] for row in table.rows[-2:]] == ["VOID", "partial"]
    assert "void: VOID, not to be believed: no request was measured" in document.warnings


def test_a_trial_without_a_success_has_no_empty_axes(trial):
    document = trials.document([("a", trial(per_s=0, refused=3, failed_at=(2500, 3500)))])
    over_time, percentiles, *_ = document.sections[0].parts
    assert [axes.up for axes in over_time.axes] == ["requests/s"]
    assert over_time.told.endswith("1 to 3 offered; none succeeded.")
    assert percentiles.told == "How many took no longer than that: none succeeded."
    assert document.warnings == ["not one request succeeded"]
    [by_second] = [part for part in document.sections[0].parts if part.title == "By the second"]
    assert [line.split()[0] for line in by_second.lines] == ["successes"]


def test_a_trial_of_a_day_is_a_page_as_small_as_another(trial):
    """Each second would be four dots and as many points of lines."""
    pytest.importorskip("matplotlib")
    summary = trial(refused=3)
    seconds = [Second(100 + at % 200, 90, 10 + at % 200, 0.001, 0.5 if at == 70_000 else 0.002) for at in range(86_400)]
    summary = msgspec.structs.replace(summary, seconds=seconds)
    document = trials.document([("a", summary)])
    over_time, _, over_rate = [part for part in document.sections[0].parts if isinstance(part, Plot)]
    assert over_time.told == (
        "Requests by the second in which they were meant to begin, 100 to 299 offered; the p99 of successes lies "
        "between 2 and 500 ms. Each point is 288 seconds: their mean rate, and the worst p99 among them."
    )
    assert over_rate.told == "Each dot is a second of the trial, with 100 to 299 requests offered in it."
    assert len(html.page(document)) < 400_000
    [by_second] = [part for part in document.sections[0].parts if part.title == "By the second"]
    assert max(map(len, by_second.lines)) < 100


def test_a_partial_trial_says_so_first(trial):
    document = trials.document([("a", trial(end=None))])
    assert document.summary[0].startswith("Partial. 10.1 requests/s were offered for 9.9 s: ")
    assert "partial: the record ends before the trial did" in document.warnings


def test_the_model_starts_where_the_calmest_trial_was(trial):
    [start] = [
        part for part in trials.document([("a", trial(latency_ms=101))]).sections[-1].parts if isinstance(part, WhatIf)
    ]
    assert start.service_s == pytest.approx(0.1, rel=2e-3)  # from the real start
    assert start.rate_per_s == 9.9  # the last one came after the end
    assert (start.slots, start.cores) == (1, 2)


def test_markdown_has_every_figure_and_the_words_of_every_plot(trial):
    text = markdown.page(trials.document([("a", trial(refused=3))]))
    assert text.startswith("# Trial a\n\n10.3 requests/s were offered")
    assert "| refused | 3 | 2.91% |" in text
    assert "Each dot is a second of the trial, with 10 to 13 requests offered in it." in text


def test_a_grid_in_markdown_marks_the_chosen_one():
    heat = Heat("Grid", "threads", ["1", "2"], [("1 worker", [1.0, None])], (0, 0), "as told")
    document = trials.Document("t", [], [], [Section("s", [heat])])
    assert "| threads | 1 | 2 |\n| --- | ---: | ---: |\n| 1 worker | **1** |  |" in markdown.page(document)


def test_html_is_one_small_file_that_may_ask_for_nothing(trial):
    pytest.importorskip("matplotlib")
    named = [("<b>", trial(40)), *((f"t{per_s}", trial(per_s, refused=2)) for per_s in range(10, 24))]
    text = html.page(trials.document(named))
    assert "content=\"default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'\"" in text
    assert len(text.encode()) < 2_000_000
    assert "<b>" not in text
    assert "http://www.w3.org" in text
    assert not re.search(r"""(?:src|href)=["'](?!#)""", text)
    assert not re.search(r"#0000[0-9a-f]{2}\b", text)  # every colour has a name that the page gives a value to
    ids = re.findall(r' id="([^"]+)"', text)
    assert len(ids) == len(set(ids))


def test_the_command_tells_the_format_by_the_name(trial, tmp_path):
    trial(10)
    out = tmp_path / "page.md"
    ran = CliRunner().invoke(main, ["report", str(tmp_path / "10.pftrial"), "-o", str(out)])
    assert (ran.exit_code, ran.output) == (0, "")
    assert out.read_text().startswith("# Trial 10")


def test_the_command_fails_for_trials_that_cannot_be_believed(trial, tmp_path):
    trial(10), trial(0)
    ran = CliRunner().invoke(
        main, ["report", str(tmp_path / "10.pftrial"), str(tmp_path / "0.pftrial"), "--format", "json"]
    )
    assert ran.exit_code == 1
    assert ran.output.startswith("[")


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["10.pftrial", "-o", "10.pftrial"], "that is the record itself"),
        (["10.pftrial", "-o", "nothing/page.md"], "No such file or directory"),
        (["."], "no tuning is in this folder; trials are named one by one"),
        (["10.pftrial", "cut"], "the header is missing"),
        (["empty"], "this is no record of pfserve-bench"),
    ],
)
def test_what_cannot_be_reported_is_told_and_nothing_is_lost(trial, tmp_path, monkeypatch, args, said):
    trial(10)
    monkeypatch.chdir(tmp_path)
    record = (tmp_path / "10.pftrial").read_bytes()
    (tmp_path / "cut").write_bytes(record[:200])
    (tmp_path / "empty").touch()
    ran = CliRunner().invoke(main, ["report", *args])
    assert ran.exit_code == 2
    assert said in " ".join(ran.output.split())
    assert (tmp_path / "10.pftrial").read_bytes() == record


@pytest.mark.parametrize("kind", ["text", "markdown", "json", "html"])
@pytest.mark.parametrize("what", ["cut", "none", "nothing"])
def test_every_kind_tells_of_a_record_that_is_cut_or_has_no_success(trial, tmp_path, kind, what):
    if kind == "html":
        pytest.importorskip("matplotlib")
    per_s, refused = {"cut": (10, 0), "none": (0, 9), "nothing": (0, 0)}[what]
    trial(per_s, refused=refused, end=None)
    ran = CliRunner().invoke(main, ["report", str(tmp_path / f"{per_s}.pftrial"), "--format", kind])
    assert ran.exit_code == 1
    assert "the record ends before the trial did" in ran.output
    told = {"cut": "the record ends", "none": "not one request succeeded", "nothing": "no request was measured"}
    assert told[what] in ran.output


def test_what_is_no_record_is_told(tmp_path):
    (tmp_path / "x").write_text("no")
    ran = CliRunner().invoke(main, ["report", str(tmp_path / "x")])
    assert ran.exit_code == 2
    assert "this is no record of pfserve-bench" in ran.output
