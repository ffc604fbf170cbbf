"""The lock of the shared region: one mutex in shared memory that the kernel frees when its holder dies.

It is glibc's robust, process-shared pthread mutex, called through ``ctypes.PyDLL``. PyDLL keeps the GIL during a call;
``CDLL`` would drop it and then wait for it with the lock already held. Since a waiter keeps the GIL too, it waits in
slices of a millisecond, between which the other threads of its process get their turn, and never without end.

Use it from one thread per process. Do nothing under it that can block, log, or take long: all processes wait.
A holder can still be kept from running (a SIGSTOP, a C call of another thread that keeps the GIL). Whoever waits sees
this and tells ``on_stuck``; the master, which sets it, kills the holder, and the kernel then passes the lock on.
"""

from __future__ import annotations

import ctypes
import functools
import sys
import threading
import time
from collections.abc import Callable
from errno import EBUSY, EOWNERDEAD, ETIMEDOUT

from pfserve.errors import BootError, PfserveError
from pfserve.region.watch import HeldLockWatch

LOCK_BYTES = 128  # 64 for the mutex (glibc: 40, 48 on aarch64), then the two words below
_TURNS, _RECOVERIES = 8, 9  # indices of 64-bit words

_PROCESS_SHARED = 1  # PTHREAD_PROCESS_SHARED
_ROBUST = 1  # PTHREAD_MUTEX_ROBUST
_ATTRIBUTE_BYTES = 64  # pthread_mutexattr_t is 4 or 8
_TID_MASK = 0x3FFF_FFFF  # FUTEX_TID_MASK

_SLICE_NS = 1_000_000
_HELD_TOO_LONG_S = 1.0
_PATIENCE_S = 10.0


class LockTimeout(PfserveError):
    """The region's lock could not be had in time: its holder does not run and nobody has killed it."""


class _Timespec(ctypes.Structure):
    _fields_ = (("tv_sec", ctypes.c_long), ("tv_nsec", ctypes.c_long))


class RegionLock:
    """A lock between processes, in ``LOCK_BYTES`` of shared memory that start at a multiple of eight.

    Make it once, call :meth:`initialise`, and inherit it by fork. It is not reentrant.

    ``on_stuck`` is called, from within :meth:`acquire`, with the thread id of a holder that has not moved for a second,
    and again each further second. The master sets it to a kill. A fork inherits it: who shall not act resets it.
    """

    __slots__ = ("_consistent", "_futex", "_initialise", "_timed", "_trylock", "_unlock", "_words", "on_stuck")

    def __init__(self, memory: memoryview) -> None:
        if sys.maxsize < 2**32:
            raise BootError("pfserve needs a 64-bit Linux: its lock is not laid out for this machine")
        self.on_stuck: Callable[[int], None] | None = None
        self._words = memory[:LOCK_BYTES].cast("Q")
        self._futex = memory[:4].cast("I")  # the mutex's futex word
        # An untyped byref is the cheapest argument ctypes has: 75 ns a call; declared argtypes make it 100 to 170.
        mutex = ctypes.byref((ctypes.c_char * LOCK_BYTES).from_buffer(memory))
        library = ctypes.PyDLL(None)
        try:
            self._initialise = functools.partial(library.pthread_mutex_init, mutex)
            self._trylock = functools.partial(library.pthread_mutex_trylock, mutex)
            self._timed = functools.partial(library.pthread_mutex_clocklock, mutex, time.CLOCK_MONOTONIC)
            self._unlock = functools.partial(library.pthread_mutex_unlock, mutex)
            self._consistent = functools.partial(library.pthread_mutex_consistent, mutex)
        except AttributeError as missing:
            raise BootError(f"pfserve needs glibc 2.30 or newer for its lock: {missing}") from None

    def initialise(self) -> None:
        """Write a free mutex, then try it. Once, before any other process sees it.

        Raises:
            BootError: this C library's mutex is not the one we know.
        """
        attributes = ctypes.create_string_buffer(_ATTRIBUTE_BYTES)
        library = ctypes.PyDLL(None)
        failed = (
            library.pthread_mutexattr_init(attributes)
            or library.pthread_mutexattr_setpshared(attributes, _PROCESS_SHARED)
            or library.pthread_mutexattr_setrobust(attributes, _ROBUST)
            or self._initialise(attributes)
        )
        if failed:
            raise BootError(f"the C library gives no robust process-shared mutex (error {failed})")
        self._verify()

    def _verify(self) -> None:
        """See that :meth:`holder` reads what it says: the layout behind it is glibc's and the kernel's, not POSIX's."""
        before = self.holder()
        self.acquire()
        during = self.holder()
        self.release()
        if (before, during, self.holder()) != (0, threading.get_native_id(), 0):
            raise BootError("this C library lays its mutex out in a way pfserve does not know; it needs glibc")

    def acquire(self) -> None:
        """Take the lock.

        Raises:
            LockTimeout: not to be had within ten seconds.
        """
        code = self._trylock()
        if code:
            self._settle(code)
        self._words[_TURNS] += 1

    def release(self) -> None:
        """Give the lock back. Only its holder may."""
        self._unlock()

    def __enter__(self) -> None:
        self.acquire()

    def __exit__(self, *_: object) -> None:
        self._unlock()

    def holder(self) -> int:
        """The thread id of the holder, 0 for none: the word by which the kernel itself knows a robust mutex's owner."""
        return self._futex[0] & _TID_MASK

    @property
    def turns(self) -> int:
        """How often the lock has been taken. A holder counts its turn just after it has taken the lock."""
        return self._words[_TURNS]

    @property
    def recoveries(self) -> int:
        """How often the lock was taken over from a holder that had died."""
        return self._words[_RECOVERIES]

    def _settle(self, code: int) -> None:
        """Get from what trylock said to the lock held and in order."""
        if code == EBUSY:
            code = self._wait()
        if code == EOWNERDEAD:
            # What it protects needs no repair: a dead seat's cells are zeroed by its parent, nothing else is stored.
            self._consistent()
            self._words[_RECOVERIES] += 1
        elif code:
            raise OSError(code, "pthread_mutex_lock")

    def _wait(self) -> int:
        watch = HeldLockWatch(_HELD_TOO_LONG_S)
        give_up_s = time.monotonic() + _PATIENCE_S
        while True:
            until = divmod(time.monotonic_ns() + _SLICE_NS, 1_000_000_000)
            code: int = self._timed(ctypes.byref(_Timespec(*until)))
            if code != ETIMEDOUT:
                return code
            now_s = time.monotonic()
            stuck = watch.observe(now_s, self.holder(), self.turns)
            if stuck and self.on_stuck:
                self.on_stuck(stuck)
            if now_s > give_up_s:
                raise LockTimeout(f"thread {self.holder()} does not give the region's lock back")
