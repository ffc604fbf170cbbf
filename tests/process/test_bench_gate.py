"""``compare --against`` with real servers: a node that takes a fifth longer is found, and the same version is not."""

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


@tool
async def echo(text: str) -> str:
    until_s = time.perf_counter() + BUSY_S
    while time.perf_counter() < until_s:
        pass
    return text
"""

pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(shutil.which("wrk") is None, reason="the generator of compare is wrk"),
]


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
    python.write_text(f'#!/bin/sh\nunset TEST_BUSY_S\nexec "{sys.executable}" "$@"\n')
    python.chmod(0o755)
    return python


def gate(older: Path, examples: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    options = ("--against", str(older), "--only", "P2", "--seconds", "3", "--examples", str(examples))
    return subprocess.run(
        (sys.executable, "-m", "bench", "compare", *options),
        cwd=CHECKOUT, env=os.environ | environment, capture_output=True, text=True, timeout=600, check=False,
    )  # fmt: skip


def test_a_fifth_slower_is_a_regression(older: Path, examples: Path) -> None:
    done = gate(older, examples, TEST_BUSY_S="0.0012")
    assert done.returncode == 1, done.stdout + done.stderr
    assert "REGRESSED" in done.stdout


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
