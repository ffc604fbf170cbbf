"""Which lock that the kernel frees when its holder dies is cheaper: a robust pthread mutex or a record lock?

Prints microseconds per take-and-give-back, alone and among contending processes that do nothing else, and beside a
thread that computes in each of them. It builds the locks by itself: `python -m bench.locks`, 15 seconds.
"""

from __future__ import annotations

import ctypes
import fcntl
import mmap
import os
import sys
import tempfile
import threading
import time
from array import array
from collections.abc import Callable
from errno import EBUSY

Pair = Callable[[], None]

MUTEX_AT, STOP_AT, RESULTS_AT = 0, 128, 256
TRIAL_S = 1.0


def mutex(shared: mmap.mmap, library: ctypes.CDLL) -> Callable[[], Pair]:
    """A robust, process-shared mutex: trylock, and the waiting call only when it is busy."""
    place = ctypes.byref((ctypes.c_char * 128).from_buffer(shared, MUTEX_AT))
    attributes = ctypes.create_string_buffer(64)
    library.pthread_mutexattr_init(attributes)
    library.pthread_mutexattr_setpshared(attributes, 1)
    library.pthread_mutexattr_setrobust(attributes, 1)
    library.pthread_mutex_init(place, attributes)
    trylock, lock, unlock = library.pthread_mutex_trylock, library.pthread_mutex_lock, library.pthread_mutex_unlock

    def pair() -> None:
        if trylock(place) == EBUSY:
            lock(place)
        unlock(place)

    return lambda: pair


def record_lock(path: str) -> Callable[[], Pair]:
    """A POSIX record lock: owned by the process, so one descriptor opened before the fork would do as well."""

    def make() -> Pair:
        descriptor = os.open(path, os.O_RDWR)

        def pair() -> None:
            fcntl.lockf(descriptor, fcntl.LOCK_EX)
            fcntl.lockf(descriptor, fcntl.LOCK_UN)

        return pair

    return make


def contend(shared: mmap.mmap, index: int, pair: Pair, busy: bool) -> None:
    """Do pairs until told to stop; note how many, and the longest."""
    if busy:
        sys.setswitchinterval(0.0005)  # as a worker with a thread lane does
        threading.Thread(target=spin, daemon=True).start()
    pairs = longest = 0
    while not shared[STOP_AT]:
        before = time.perf_counter_ns()
        pair()
        longest = max(longest, time.perf_counter_ns() - before)
        pairs += 1
    memoryview(shared)[RESULTS_AT:].cast("Q")[2 * index : 2 * index + 2] = array("Q", [pairs, longest])


def spin() -> None:
    """Be user code that computes."""
    while True:
        pass


def measure(shared: mmap.mmap, make: Callable[[], Pair], processes: int, busy: bool) -> tuple[float, float]:
    """Microseconds per pair (the time over all pairs of all processes), and the longest pair in milliseconds."""
    shared[STOP_AT] = 0
    children = []
    for index in range(processes):
        pid = os.fork()
        if pid == 0:
            contend(shared, index, make(), busy)
            os._exit(0)
        children.append(pid)
    time.sleep(TRIAL_S)
    shared[STOP_AT] = 1
    for pid in children:
        os.waitpid(pid, 0)
    results = memoryview(shared)[RESULTS_AT:].cast("Q")[: 2 * processes]
    return TRIAL_S / sum(results[::2]) * 1e6, max(results[1::2]) / 1e6


def main() -> None:
    """Print the table."""
    shared = mmap.mmap(-1, mmap.PAGESIZE)
    with tempfile.NamedTemporaryFile() as file:
        kinds = {
            "mutex, PyDLL": mutex(shared, ctypes.PyDLL(None)),
            "mutex, CDLL": mutex(shared, ctypes.CDLL(None)),
            "record lock": record_lock(file.name),
        }
        print(f"{'lock':<14}{'processes':>10}{'beside':>15}{'us per pair':>13}{'longest, ms':>13}")
        for name, make in kinds.items():
            for processes, busy in ((1, False), (2, False), (4, False), (1, True), (2, True)):
                each_us, longest_ms = measure(shared, make, processes, busy)
                beside = "a busy thread" if busy else "nothing"
                print(f"{name:<14}{processes:>10}{beside:>15}{each_us:>13.2f}{longest_ms:>13.2f}")


if __name__ == "__main__":
    main()
