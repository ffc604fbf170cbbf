"""Calls at exact times. libuv's own timers count whole milliseconds, which is long beside a request of 0.1 ms."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import heapq
import itertools
import os
import time
from collections.abc import Callable

GRAIN_NS = 100_000  # it does not ring again sooner: calls that are due within one grain share one wake-up
_MONOTONIC = 1
_ABSOLUTE = 1
_NS = 1_000_000_000


class _Setting(ctypes.Structure):
    """struct itimerspec."""

    _fields_ = (("every_s", ctypes.c_long), ("every_ns", ctypes.c_long), ("s", ctypes.c_long), ("ns", ctypes.c_long))


class Timer:
    """A kernel timer that the event loop waits for; between two rings it costs nothing."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._fd = self._libc.timerfd_create(_MONOTONIC, os.O_NONBLOCK | os.O_CLOEXEC)
        if self._fd < 0:
            raise OSError(ctypes.get_errno(), "timerfd_create")
        self._setting = _Setting()
        self._calls: list[tuple[int, int, Callable[[], None]]] = []
        self._order = itertools.count()
        self._armed_ns = 0  # 0: not
        loop.add_reader(self._fd, self._ring)

    def at(self, due_ns: int, call: Callable[[], None]) -> None:
        """Call once when the monotonic clock shows ``due_ns``, or at once if that is past."""
        heapq.heappush(self._calls, (due_ns, next(self._order), call))
        if not self._armed_ns or due_ns < self._armed_ns:
            self._arm(due_ns)

    def _ring(self) -> None:
        now_ns = time.monotonic_ns()
        self._armed_ns = now_ns  # calls that are added meanwhile arm nothing: that is done once, below
        calls = self._calls
        while calls and calls[0][0] <= now_ns:
            heapq.heappop(calls)[2]()
        if calls:
            self._arm(max(calls[0][0], now_ns + GRAIN_NS))  # that also ends the ringing
            return
        self._armed_ns = 0
        with contextlib.suppress(BlockingIOError):  # set anew, by a call that has run since
            os.read(self._fd, 8)

    def _arm(self, due_ns: int) -> None:
        setting = self._setting
        setting.s, setting.ns = divmod(max(due_ns, 1), _NS)
        self._libc.timerfd_settime(self._fd, _ABSOLUTE, ctypes.byref(setting), None)
        self._armed_ns = due_ns
