"""The fault campaign, short in every run and long by --long. ``fault_campaign.py`` says what it claims."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

CAMPAIGN = Path(__file__).with_name("fault_campaign.py")


def campaign(*flags: str, timeout_s: float) -> None:
    ended = subprocess.run(
        [sys.executable, str(CAMPAIGN), *flags], capture_output=True, text=True, timeout=timeout_s, check=False
    )
    assert ended.returncode == 0, f"{ended.stdout}\n{ended.stderr}"


def test_faults_cost_only_what_ran_in_the_killed_process() -> None:
    campaign("--seconds=20", "--seed=1", timeout_s=150)


def test_over_tls_too() -> None:
    campaign("--seconds=12", "--seed=3", "--tls", timeout_s=150)


@pytest.mark.long
def test_faults_for_ten_minutes() -> None:
    campaign("--long", "--seed=2", timeout_s=900)


@pytest.mark.long
def test_faults_for_ten_minutes_over_tls() -> None:
    campaign("--long", "--seed=4", "--tls", timeout_s=900)
