"""``compare --against`` and ``--baseline`` with real servers: what became slower is found, and the same is not.

That noise alone is no regression is shown on thousands of fabricated runs, in the unit tests.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from bench import flows

CHECKOUT = Path(__file__).parents[2]
SPIN = """import os
import time

from promptflow.core import tool

BUSY_S = float(os.environ.get("TEST_BUSY_S", "0.001"))
time.sleep(float(os.environ.get("TEST_START_S", "0")))


@tool
async def echo(text: str) -> str:
    until_s = time.perf_counter() + BUSY_S
    while time.perf_counter() < until_s:
        pass
    return text
"""

# Slows our server, and nobody beside it: what decodes a picture takes longer.
SLOWER = """import os
import sys

if sys.orig_argv[1:3] == ["-m", "pfserve"]:
    import binascii
    import time

    decode = binascii.a2b_base64

    def slowly(*args, **options):
        time.sleep(float(os.environ["TEST_DECODE_S"]))
        return decode(*args, **options)

    binascii.a2b_base64 = slowly
"""

needs_wrk = pytest.mark.skipif(shutil.which("wrk") is None, reason="the generator of compare is wrk")


@pytest.fixture
def examples(tmp_path: Path) -> Path:
    folder = tmp_path / "examples"
    folder.mkdir()
    flows.write(folder / "async-echo", {"echo.py": SPIN}, flows.in_line(["echo.py"]))
    return folder


@pytest.fixture
def older(tmp_path: Path) -> Path:
    """The same pfserve, which nobody makes slower."""
    python = tmp_path / "python"
    python.write_text(f'#!/bin/sh\nunset TEST_BUSY_S TEST_START_S\nexec "{sys.executable}" "$@"\n')
    python.chmod(0o755)
    return python


def gate(older: Path, examples: Path, *only: str, **environment: str) -> subprocess.CompletedProcess[str]:
    options = ("--against", older, "--seconds", 3, "--examples", examples, "--only", *(only or ("P2",)))
    return compare(*options, **environment)


def compare(*options: object, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        (sys.executable, "-m", "bench", "compare", *map(str, options)),
        cwd=CHECKOUT, env=os.environ | environment, capture_output=True, text=True, timeout=600, check=False,
    )  # fmt: skip


COLD_STARTS = "P7", "--rounds", "7"  # of one line as many as can convince; they need no load


def test_a_start_that_takes_longer_is_a_regression(older: Path, examples: Path) -> None:
    done = gate(older, examples, *COLD_STARTS, TEST_START_S="1")
    assert done.returncode == 1, done.stdout + done.stderr
    assert "async echo: cold start" in done.stdout
    assert "REGRESSED: chance gives this in less than one run of a hundred" in done.stdout


@pytest.mark.long
def test_the_same_start_is_none(older: Path, examples: Path) -> None:
    done = gate(older, examples, *COLD_STARTS)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "no regression is shown" in done.stdout


@pytest.mark.long
@needs_wrk
def test_a_slower_picture_is_found_beside_a_file_and_the_same_is_not(examples: Path, tmp_path: Path) -> None:
    """Each run takes turns with its bare handler; seven rounds each."""
    common = ("--only", "P15", "--rounds", 7, "--seconds", 1, "--examples", examples)
    (tmp_path / "sitecustomize.py").write_text(SLOWER)
    told = tmp_path / "main.json"
    slowed = {"PYTHONPATH": str(tmp_path)}
    first = compare(*common, "--json", told)
    assert first.returncode in {0, 1}, first.stderr
    runs = [compare(*common, "--baseline", told, **slowed, TEST_DECODE_S=delay_s) for delay_s in ("0", "0.05")]
    if any("is void" in run.stdout for run in runs):
        pytest.skip("others use this machine: compare says so, and compares nothing")
    assert [run.returncode for run in runs] == [0, 1], [run.stdout + run.stderr for run in runs]
    assert "P15.time" in runs[1].stdout
    assert "REGRESSED: " in runs[1].stdout


@pytest.mark.long
@needs_wrk
def test_a_fifth_slower_is_a_regression(older: Path, examples: Path) -> None:
    done = gate(older, examples, TEST_BUSY_S="0.0012")
    assert done.returncode == 1, done.stdout + done.stderr
    assert "REGRESSED" in done.stdout


@pytest.mark.long
@needs_wrk
def test_the_same_is_none(older: Path, examples: Path) -> None:
    done = gate(older, examples)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "no regression is shown" in done.stdout


def test_an_interpreter_without_pfserve_is_a_mistake(examples: Path, tmp_path: Path) -> None:
    bare = tmp_path / "bare"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", bare], check=True, timeout=120)
    done = gate(bare / "bin" / "python", examples)
    assert done.returncode == 2
    assert "has no pfserve" in done.stderr
