"""The line's words among processes that are killed; the witnesses are in line_campaign.py."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

CAMPAIGN = Path(__file__).with_name("line_campaign.py")


def campaign(*, kills: int, seats: int, within_s: float) -> dict[str, int]:
    command = [sys.executable, str(CAMPAIGN), f"--kills={kills}", f"--seats={seats}", "--seed=20261125"]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=within_s, check=False)
    assert ended.returncode == 0, ended.stderr
    seen: dict[str, int] = json.loads(ended.stdout)
    print(seen)
    return seen


def check(seen: dict[str, int]) -> None:
    assert seen["twice"] == 0, f"an entry was taken out twice: {seen}"
    assert seen["disorder"] == seen["unordered"] == 0, f"one that came later was first: {seen}"
    assert seen["repeated"] == seen["leaked"] == 0, f"the line holds what it should not: {seen}"
    assert seen["left"] == 0 and seen["is_empty"], "when everybody is gone nobody waits"
    assert seen["recoveries"] > 0, "no holder was ever killed: this campaign shows nothing"
    assert min(seen["pushed"], seen["popped"], seen["cancelled"]) > seen["kills"]


@pytest.mark.parametrize(("kills", "seats"), [(2000, 5), (600, 2)])
def test_first_in_first_out_and_once_under_kill(kills: int, seats: int) -> None:
    check(campaign(kills=kills, seats=seats, within_s=240))


@pytest.mark.long
def test_twenty_thousand_kills() -> None:
    check(campaign(kills=20_000, seats=6, within_s=3600))
