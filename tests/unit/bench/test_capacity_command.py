from __future__ import annotations

import pytest
from click.testing import CliRunner

from bench.cli import main

QUICK = ("--service", "100ms", "--blocking", "all", "--threads", "4", "--sku", "Standard_D2as_v4")


def ask(*options):
    return CliRunner().invoke(main, ["capacity", *options])


def test_words_come_first_and_closed_forms_stand_beside_the_simulation():
    done = ask(*QUICK, "--rate", "100")
    assert done.exit_code == 0, done.output
    assert done.output.startswith("One instance takes ")
    assert "Azure's one line, ceil(rate x p95 / 0.7 / 12), says 2" in done.output
    assert "M/G/8 at the limit" in done.output


def test_a_promise_that_nothing_keeps_is_said_with_the_nearest():
    done = ask(*QUICK, "--slo", "p95<50ms", "--rate", "100")
    assert done.exit_code == 1
    assert done.output.startswith("NO RATE KEEPS THE PROMISE") and "Nearest: even at" in done.output


@pytest.mark.parametrize(
    ("content", "words"),
    [("", "trace"), ("time\n", "trace")],
)
def test_an_empty_trace_is_no_day(tmp_path, content, words):
    trace = tmp_path / "day.csv"
    trace.write_text(content)
    done = ask(*QUICK, "--trace", str(trace))
    assert done.exit_code == 2 and words in done.output
    assert "Traceback" not in done.output


def test_a_log_and_a_record_with_nothing_in_them(tmp_path):
    for name, before in (("empty.log", ["--from-log"]), ("empty.pftrial", [])):
        (tmp_path / name).write_text("")
        done = ask(*before, str(tmp_path / name), "--blocking", "all")
        assert done.exit_code == 2 and name in done.output, done.output


def test_a_prometheus_that_is_not_there():
    done = ask("--from-prometheus", "http://127.0.0.1:9", "--blocking", "all")
    assert done.exit_code == 2 and "127.0.0.1:9" in done.output


@pytest.mark.parametrize("option", ["--output", "--azure-yaml", "--kubernetes-yaml"])
def test_a_full_disk_is_a_sentence(option):
    done = ask(*QUICK, option, "/dev/full")
    assert done.exit_code == 1 and "/dev/full: No space left on device" in done.output


def test_the_name_of_the_output_decides_its_kind(tmp_path):
    for name, begins in (("plan.json", "{"), ("plan.md", "One instance"), ("plan.html", "<!doctype html>")):
        done = ask(*QUICK, "-o", str(tmp_path / name))
        assert done.exit_code == 0 and not done.output
        assert (tmp_path / name).read_text().startswith(begins)
