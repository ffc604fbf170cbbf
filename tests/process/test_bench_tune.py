"""Tuning of real servers, by the command line.

Which setting is best depends on the machine: that is shown with a simulated server in the unit tests.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from bench import flows
from bench.tuner.step import Ending
from bench.tuning import read
from eventually import eventually

CHECKOUT = Path(__file__).parents[2]
QUICK = ("--max-threads", "4", "--max-bound", "8", "--load", "500ms", "--data", '{"text": "x"}')


@pytest.fixture
def flow(tmp_path):
    """It blocks for 20 ms."""
    source = flows.PASS_ON.format(define="def", wait="time.sleep(0.02)\n    ")
    return flows.write(tmp_path / "flow", {"wait.py": f"import time\n\n{source}"}, flows.in_line(["wait.py"]))


@pytest.fixture
def tune(tmp_path):
    started: list[subprocess.Popen[str]] = []

    def start(*args: object) -> subprocess.Popen[str]:
        argv = [sys.executable, "-m", "bench", "tune", *map(str, args), "--out", str(tmp_path / "out")]
        process = subprocess.Popen(
            argv, cwd=CHECKOUT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
        )
        started.append(process)
        return process

    yield start
    for process in started:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def test_the_least_memory_is_found_stopped_and_gone_on_with(flow, tune, tmp_path):
    """One worker of one thread serves 5 requests/s of 20 ms. Each load lasts some seconds."""
    args = (flow, "--rate", 5, "--least-memory", *QUICK, "--slo", "p95=5s", "--max-refused", "20%")
    stopped = tune(*args)
    out = tmp_path / "out"
    eventually(lambda: (out / "tuning.json").exists() and read(out).trials, within_s=120, why="a trial is written down")
    stopped.send_signal(signal.SIGINT)
    printed, told = stopped.communicate(timeout=60)
    assert stopped.returncode == 1
    assert "the same command goes on" in told
    assert "Partial: " in printed
    assert "Partial: " in (out / "report.md").read_text()
    before = read(out)
    assert before.verdict is None

    again = tune(*args)
    printed, told = again.communicate(timeout=240)
    assert again.returncode == 0, told
    after = read(out)
    assert f"going on after {len(before.trials)} trials" in told
    assert list(after.trials)[: len(before.trials)] == list(before.trials)
    assert after.verdict.ending is Ending.CHEAPEST
    assert (after.verdict.setting.workers, after.verdict.setting.threads) == (1, 1)
    assert f"pfserve serve {flow} --workers 1 --threads 1 --max-concurrent-requests " in printed
    assert "PROMPTFLOW_WORKER_NUM=1" in printed
    assert (out / "report.md").exists()

    other = tune(flow, *QUICK)
    assert other.wait(60) == 2
    assert "belongs to another question, by --slo, --max-refused or --rate: give another --out" in other.stderr.read()

    with (flow / "wait.py").open("a") as file:
        file.write("# another\n")
    other = tune(*args)
    assert other.wait(60) == 2
    assert "has trials of, wait.py changed: give another --out" in other.stderr.read()


def test_a_goal_that_nothing_reaches(flow, tune, tmp_path):
    process = tune(flow, *QUICK, "--slo", "p50=5ms")
    printed, told = process.communicate(timeout=240)
    assert process.returncode == 1, told
    assert "No setting tried reached that. The nearest was" in printed
    assert read(tmp_path / "out").verdict.ending is Ending.UNREACHED


def test_a_flow_that_does_not_start(tune, tmp_path):
    broken = flows.write(tmp_path / "broken", {"a.py": "import nothing_of_that_name\n"}, flows.in_line(["a.py"]))
    process = tune(broken, *QUICK)
    _, told = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "nothing_of_that_name" in told


def test_a_flow_that_refuses_what_it_is_asked(flow, tune):
    process = tune(flow, *QUICK[:-1], '{"other": 1}')
    _, told = process.communicate(timeout=60)
    assert process.returncode == 2
    assert "the flow answers no request with success; give bodies that it takes by --payload. 400" in told


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (("--slo", "fast"), "write p95=2s"),
        (("--max-refused", "much"), "write 1% or 0.01"),
        (("--rate", "5"), "--rate and --least-memory belong together"),
        (("--deployment", "nowhere.yaml"), "nowhere.yaml"),
    ],
)
def test_bad_options(flow, tune, args, message):
    process = tune(flow, *args)
    _, told = process.communicate(timeout=30)
    assert (process.returncode, message in told) == (2, True), told


def serving(flow: Path) -> list[str]:
    """The processes that have the flow among their arguments."""
    found = []
    for place in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            found += [place.parent.name] if os.fsencode(flow) in place.read_bytes() else []
    return found


@pytest.mark.skipif(not shutil.which("setpriv"), reason="no setpriv here")
def test_what_was_written_down_survives_a_kill(flow, tune, tmp_path):
    args = (flow, "--rate", 5, "--least-memory", *QUICK, "--slo", "p95=5s", "--max-refused", "20%")
    killed = tune(*args)
    out = tmp_path / "out"
    eventually(lambda: (out / "tuning.json").exists() and read(out).trials, within_s=120, why="a trial is written down")
    os.killpg(killed.pid, signal.SIGKILL)
    killed.wait()
    eventually(lambda: not serving(flow), within_s=30, why="no server outlives the tuning")
    before = read(out)
    again = tune(*args)
    _, told = again.communicate(timeout=240)
    assert again.returncode == 0, told
    assert f"going on after {len(before.trials)} trials" in told
    assert list(read(out).trials)[: len(before.trials)] == list(before.trials)
