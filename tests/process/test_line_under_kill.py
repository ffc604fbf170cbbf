"""The line's words, and hand-overs, among processes that are killed.

The witnesses are in line_campaign.py and hand_over_campaign.py.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from process.faults.steps import STEPS

LINE = Path(__file__).with_name("line_campaign.py")
HAND_OVER = Path(__file__).with_name("hand_over_campaign.py")


def campaign(program: Path, *, kills: int, seats: int, within_s: float) -> dict[str, int]:
    command = [sys.executable, str(program), f"--kills={kills}", f"--seats={seats}", "--seed=20261125"]
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
    check(campaign(LINE, kills=kills, seats=seats, within_s=240))


@pytest.mark.long
def test_twenty_thousand_kills() -> None:
    check(campaign(LINE, kills=20_000, seats=6, within_s=3600))


def check_hand_overs(seen: dict[str, int], seats: int) -> None:
    assert seen["twice"] == 0, f"a request ran twice: {seen}"
    assert seen["forsaken"] == 0, f"a request was lost without a kill: {seen}"
    assert seen["ended"] == seats and seen["failed"] == seen["error"] == 0, f"a request has no end: {seen}"
    assert seen["left"] == 0, f"somebody holds a place in the line, or a slot: {seen}"
    missed = [step.name for step in STEPS if step.name in seen and not seen[step.name]]
    assert not missed, f"nobody was killed there: {missed}"
    assert min(seen["handed"], seen["again"], seen["lost"]) > 0, f"this campaign shows nothing: {seen}"


def test_a_kill_between_two_steps_of_a_hand_over_loses_only_what_had_begun() -> None:
    check_hand_overs(campaign(HAND_OVER, kills=400, seats=4, within_s=240), seats=4)


@pytest.mark.long
def test_ten_thousand_kills_in_hand_overs() -> None:
    check_hand_overs(campaign(HAND_OVER, kills=10_000, seats=6, within_s=3600), seats=6)
