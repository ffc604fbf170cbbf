"""The gate and its lock among processes that are killed, stopped and crowded; the witnesses are in gate_campaign.py."""

from __future__ import annotations

import json
import mmap
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from eventually import eventually
from pfserve.admission import Gate
from pfserve.region import LockTimeout, Region
from pfserve.region import lock as lock_module

CAMPAIGN = Path(__file__).with_name("gate_campaign.py")

Fork = Callable[[Callable[[], None]], int]


@pytest.fixture
def fork() -> Iterator[Fork]:
    """Run a function in a child; whoever is left at the end is killed and reaped."""
    children: list[int] = []

    def start(run: Callable[[], None]) -> int:
        pid = os.fork()
        if pid == 0:
            try:
                run()
            finally:
                os._exit(0)
        children.append(pid)
        return pid

    yield start
    for pid in children:
        try:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
        except (ProcessLookupError, ChildProcessError):  # the test has reaped it
            pass


def words(count: int) -> memoryview:
    return memoryview(mmap.mmap(-1, count * 8)).cast("Q")


def campaign(*, kills: int, seats: int, capacity: int, within_s: float) -> dict[str, int]:
    arguments = {"kills": kills, "seats": seats, "capacity": capacity, "seed": 20261120}
    command = [sys.executable, str(CAMPAIGN), *(f"--{name}={value}" for name, value in arguments.items())]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=within_s, check=False)
    assert ended.returncode == 0, ended.stderr
    seen: dict[str, int] = json.loads(ended.stdout)
    print(seen)
    return seen


def check(seen: dict[str, int], *, capacity: int) -> None:
    assert seen["wrong"] == 0, f"a witness saw more than {capacity} inside: {seen}"
    assert seen["most_inside"] <= capacity
    assert seen["left_in_cells"] == 0, f"tickets were lost: {seen}"
    assert seen["admits_after"] == capacity
    assert seen["recoveries"] > 0, "no holder was ever killed: this campaign shows nothing"
    assert seen["admitted"] > seen["kills"]


@pytest.mark.parametrize(("kills", "seats", "capacity"), [(4000, 5, 3), (800, 5, 1)])
def test_never_one_too_many_and_nothing_lost_under_kill(kills: int, seats: int, capacity: int) -> None:
    seen = campaign(kills=kills, seats=seats, capacity=capacity, within_s=240)
    check(seen, capacity=capacity)
    assert seen["refused"] > 0


def test_nobody_is_refused_while_there_is_room_under_kill() -> None:
    seen = campaign(kills=400, seats=3, capacity=9, within_s=120)  # a child holds three at most
    check(seen, capacity=9)
    assert seen["refused"] == 0


@pytest.mark.long
def test_a_hundred_thousand_kills() -> None:
    check(campaign(kills=100_000, seats=6, capacity=4, within_s=3600), capacity=4)


def test_of_many_contenders_one_gets_the_one_place(fork: Fork) -> None:
    region = Region(capacity=4, seats=8)
    won, tries = words(8), words(8)
    gate = Gate(region, 0)
    holder = Gate(region, 1)  # another worker's cell
    assert [gate.admit(), gate.admit(), holder.admit(), holder.admit()] == [True] * 4

    def contend(seat: int) -> None:
        own = Gate(region, seat)
        while True:
            won[seat] += own.admit()
            tries[seat] += 1

    def everybody_tries_again() -> None:
        before = list(tries)
        eventually(
            lambda: all(tries[seat] > before[seat] + 100 for seat in range(2, 7)),
            within_s=30,
            why="the contenders should go on trying",
        )

    for seat in range(2, 7):
        fork(lambda seat=seat: contend(seat))
    everybody_tries_again()
    assert sum(won) == 0 and gate.full() and not gate.admit()
    for released in range(1, 4):
        (gate if released < 3 else holder).release()
        eventually(lambda wins=released: sum(won) == wins, within_s=30, why="the free place should be taken")
        everybody_tries_again()
        assert sum(won) == released and gate.inside() == 4


def stopped_holder(fork: Fork, region: Region) -> int:
    def hold() -> None:
        region.lock.acquire()
        os.kill(os.getpid(), signal.SIGSTOP)

    pid = fork(hold)
    _, status = os.waitpid(pid, os.WUNTRACED)
    assert os.WIFSTOPPED(status) and region.lock.holder() == pid
    return pid


def test_a_stopped_holder_is_found_and_killed(fork: Fork) -> None:
    region = Region(capacity=1, seats=2)
    asked = words(1)

    def wait_as_a_worker() -> None:
        asked[0] = 1 + Gate(region, 1).admit()

    stopped = stopped_holder(fork, region)
    fork(wait_as_a_worker)
    killed: list[int] = []

    def kill(tid: int) -> None:
        killed.append(tid)
        os.kill(tid, signal.SIGKILL)

    region.lock.on_stuck = kill
    with region.lock:
        assert killed == [stopped]
    assert os.waitpid(stopped, 0)[1] == signal.SIGKILL
    region.vacate(0)
    assert region.lock.recoveries == 1
    eventually(lambda: asked[0] == 2, within_s=30, why="the waiting worker should be admitted")


def test_a_wait_for_the_lock_ends(fork: Fork, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lock_module, "_PATIENCE_S", 0.05)
    region = Region(capacity=1, seats=1)
    stopped = stopped_holder(fork, region)
    with pytest.raises(LockTimeout, match=str(stopped)):
        region.lock.acquire()
    assert region.lock.holder() == stopped


def test_the_lock_of_a_dead_holder_is_handed_on(fork: Fork) -> None:
    region = Region(capacity=1, seats=2)

    def die_inside() -> None:
        gate = Gate(region, 1)
        region.lock.acquire()
        gate._tickets[1] += 1
        os.kill(os.getpid(), signal.SIGKILL)

    os.waitpid(fork(die_inside), 0)
    gate = Gate(region, 0)
    assert not gate.admit(), "the dead one's ticket counts until its parent has reaped it"
    assert region.lock.recoveries == 1 and region.lock.holder() == 0
    region.vacate(1)
    assert gate.admit()
