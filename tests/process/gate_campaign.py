"""Processes that contend for the gate while they are killed at random: a program of its own, small and quick to fork.

Prints one line of JSON with what it saw. Two witnesses know nothing of the gate's cells:

* every child notes the tickets it believes to hold, from after ``admit`` to before ``release``; whoever has the lock
  may add the notes up, since nobody is admitted then, and must find C at most;
* with C = 1 every child also takes a record lock of the kernel while it is inside: it must always be free.
"""

from __future__ import annotations

import argparse
import ctypes
import fcntl
import json
import mmap
import os
import random
import signal
import tempfile
import time

from pfserve.admission import Gate
from pfserve.region import Region

PR_SET_PDEATHSIG = 1


class Notes:
    """Shared words of the test's own, one per seat."""

    def __init__(self, seats: int) -> None:
        words = memoryview(mmap.mmap(-1, 4 * 8 * seats)).cast("Q")
        self.held, self.admitted, self.refused, self.wrong = (words[i * seats : (i + 1) * seats] for i in range(4))


def contend(region: Region, notes: Notes, seat: int, witness: int) -> None:
    gate = Gate(region, seat)
    chance = random.Random()
    while True:
        wanted = chance.randint(1, 3)
        while notes.held[seat] < wanted:
            if not gate.admit():
                notes.refused[seat] += 1
                break
            notes.held[seat] += 1
            notes.admitted[seat] += 1
        with region.lock:
            notes.wrong[seat] += sum(notes.held) > region.capacity
        if region.capacity == 1 and notes.held[seat]:
            try:
                fcntl.lockf(witness, fcntl.LOCK_EX | fcntl.LOCK_NB)
                fcntl.lockf(witness, fcntl.LOCK_UN)
            except BlockingIOError:
                notes.wrong[seat] += 1
        while notes.held[seat]:
            notes.held[seat] -= 1
            gate.release()


def fork(region: Region, notes: Notes, seat: int, witness: int) -> int:
    region.occupy(seat, generation=1)
    pid = os.fork()
    if pid == 0:
        try:
            ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
            os.nice(5)  # the killer gets its turn at once
            contend(region, notes, seat, witness)
        finally:
            os._exit(1)  # an exception: its parent sees an exit that is no kill
    region.pids[seat] = pid
    return pid


def kill(region: Region, notes: Notes, pids: dict[int, int]) -> None:
    for pid in pids.values():
        os.kill(pid, signal.SIGKILL)
    for seat, pid in pids.items():
        _, status = os.waitpid(pid, 0)
        assert os.WIFSIGNALED(status), f"a child failed by itself: {status}"
        notes.held[seat] = 0
        region.vacate(seat)


def pause(chance: random.Random) -> None:
    """Nothing, microseconds, or a piece of a time slice: kills must meet young, busy and sleeping children."""
    kind = chance.randrange(3)
    if kind == 1:
        until = time.perf_counter() + chance.random() * 50e-6
        while time.perf_counter() < until:
            pass
    elif kind == 2:
        time.sleep(chance.random() * 0.004)


def campaign(kills: int, seats: int, capacity: int, seed: int) -> dict[str, object]:
    chance = random.Random(seed)
    region, notes = Region(capacity, seats), Notes(seats)
    started = time.monotonic()
    most = 0
    with tempfile.TemporaryFile() as file:
        pids = {seat: fork(region, notes, seat, file.fileno()) for seat in range(seats)}
        killed = 0
        while killed < kills:
            victims = chance.sample(range(seats), chance.randint(1, 3))  # a holder and its waiters, with luck
            kill(region, notes, {seat: pids[seat] for seat in victims})
            killed += len(victims)
            for seat in victims:
                pids[seat] = fork(region, notes, seat, file.fileno())
            with region.lock:
                most = max(most, sum(region.tickets))
            pause(chance)
        kill(region, notes, pids)
    left = list(region.tickets)
    gate = Gate(region, 0)
    return {
        "kills": killed + seats,
        "wrong": sum(notes.wrong),
        "most_inside": most,
        "left_in_cells": sum(left),
        "admits_after": sum(gate.admit() for _ in range(capacity + 3)),
        "recoveries": region.lock.recoveries,
        "admitted": sum(notes.admitted),
        "refused": sum(notes.refused),
        "seconds": round(time.monotonic() - started, 1),
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    for name in ("kills", "seats", "capacity", "seed"):
        parser.add_argument(f"--{name}", type=int, required=True)
    print(json.dumps(campaign(**vars(parser.parse_args()))))
