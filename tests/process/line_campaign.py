"""Processes that push, pop and take back entries of a line while they are killed at random.

A program of its own, small and quick to fork. Prints one line of JSON with what it saw. Its witnesses are notes in
shared memory that know nothing of the line's words:

* whoever pops an entry notes it, by its number: no number may be noted twice;
* the numbers that one process pops only rise, and those in the line stand in order: first in, first out;
* a seat that was vacated has nothing left in the line.
"""

from __future__ import annotations

import argparse
import ctypes
import json
import mmap
import os
import random
import signal
import time

from pfserve.region import Entry, Region

PR_SET_PDEATHSIG = 1
SEEN = 1 << 22  # numbers that fit into the notes


class Notes:
    """Shared words and bytes of the test's own."""

    def __init__(self, seats: int) -> None:
        words = memoryview(mmap.mmap(-1, 5 * 8 * seats)).cast("Q")
        arrays = (words[i * seats : (i + 1) * seats] for i in range(5))
        self.pushed, self.popped, self.cancelled, self.twice, self.disorder = arrays
        self.taken = mmap.mmap(-1, SEEN)  # by number: 1 from when it was popped


def take(notes: Notes, seat: int, entry: Entry) -> None:
    """Note an entry that was popped. Only who pops a number writes its byte; a second one finds it written."""
    notes.twice[seat] += notes.taken[entry.number]
    notes.taken[entry.number] = 1
    notes.popped[seat] += 1


def contend(region: Region, notes: Notes, seat: int, deepest: int) -> None:
    line, chance = region.line(seat), random.Random()
    mine: list[Entry] = []
    last = 0
    while True:
        match chance.randrange(6):
            case 0 | 1 if region.tickets[seat] < deepest:
                region.tickets[seat] += 1  # as a request inside: the bound of what may wait
                mine.append(line.push(seat))
                notes.pushed[seat] += 1
            case 2 if mine:
                entry = mine.pop(chance.randrange(len(mine)))
                notes.cancelled[seat] += line.cancel(entry)
            case 3 | 4:
                entry = line.pop(lambda _: True)
                if entry is not None:
                    notes.disorder[seat] += entry.number <= last
                    last = entry.number
                    take(notes, seat, entry)
            case 5 if mine:
                del mine[: len(mine) // 2]
        present = {entry.number for entry in line.entries() if entry.seat == seat}
        mine = [entry for entry in mine if entry.number in present]
        region.tickets[seat] = len(present)


def fork(region: Region, notes: Notes, seat: int, deepest: int) -> int:
    region.occupy(seat, generation=1)
    pid = os.fork()
    if pid == 0:
        try:
            ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
            os.nice(5)  # the killer gets its turn at once
            contend(region, notes, seat, deepest)
        finally:
            os._exit(1)  # an exception: its parent sees an exit that is no kill
    region.pids[seat] = pid
    return pid


def kill(region: Region, pids: dict[int, int]) -> int:
    """Kill and vacate; gives how many entries of a vacated seat were still in the line."""
    left = 0
    for pid in pids.values():
        os.kill(pid, signal.SIGKILL)
    for seat, pid in pids.items():
        _, status = os.waitpid(pid, 0)
        assert os.WIFSIGNALED(status), f"a child failed by itself: {status}"
        region.vacate(seat)
        left += sum(entry.seat == seat for entry in region.line(seat).entries())
    return left


def campaign(kills: int, seats: int, seed: int) -> dict[str, object]:
    deepest = 4
    chance = random.Random(seed)
    region, notes = Region(seats * deepest, seats), Notes(seats)
    started = time.monotonic()
    pids = {seat: fork(region, notes, seat, deepest) for seat in range(seats)}
    killed = leaked = unordered = repeated = 0
    while killed < kills:
        victims = chance.sample(range(seats), chance.randint(1, 2))
        leaked += kill(region, {seat: pids[seat] for seat in victims})
        killed += len(victims)
        numbers = [entry.number for entry in region.line(0).entries()]
        unordered += numbers != sorted(numbers)
        repeated += len(numbers) != len(set(numbers))
        for seat in victims:
            pids[seat] = fork(region, notes, seat, deepest)
        time.sleep(chance.random() * 0.004)
    leaked += kill(region, pids)
    return {
        "kills": killed + seats,
        "leaked": leaked,
        "unordered": unordered,
        "repeated": repeated,
        "twice": sum(notes.twice),
        "disorder": sum(notes.disorder),
        "pushed": sum(notes.pushed),
        "popped": sum(notes.popped),
        "cancelled": sum(notes.cancelled),
        "left": len(region.line(0).entries()),
        "is_empty": region.line(0).empty,
        "recoveries": region.lock.recoveries,
        "seconds": round(time.monotonic() - started, 1),
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    for name in ("kills", "seats", "seed"):
        parser.add_argument(f"--{name}", type=int, required=True)
    print(json.dumps(campaign(**vars(parser.parse_args()))))
