"""What a synchronous parent waits on: signals, and the channels of its children."""

from __future__ import annotations

import os
import select
import signal
from collections.abc import Iterable
from types import FrameType
from typing import Protocol


class Audible(Protocol):
    """Something that is readable when it wants to be heard."""

    def fileno(self) -> int:
        """The descriptor to poll."""


def _wake_only(_number: int, _frame: FrameType | None) -> None:
    """The signal's number is already in the wake-up pipe; there is nothing else to do here."""


class Bell:
    """Wakes its owner for signals and readable channels. Signal handlers only put the signal's number into a pipe."""

    def __init__(self, signals: Iterable[signal.Signals]) -> None:
        self._signals = tuple(signals)
        self._poll = select.poll()
        self._reader = -1
        self._writer = -1
        self._watched: dict[Audible, int] = {}  # with their descriptors

    def open(self) -> None:
        """Make the pipe and install the handlers. Also to be called when user code may have replaced them."""
        if self._reader < 0:
            self._reader, self._writer = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
            self._poll.register(self._reader, select.POLLIN)
        signal.set_wakeup_fd(self._writer, warn_on_full_buffer=False)
        for number in self._signals:
            signal.signal(number, _wake_only)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, self._signals)  # whoever started us may have blocked them

    def close(self) -> None:
        """Close the pipe. Handlers stay; a child resets them."""
        if self._reader >= 0:
            os.close(self._reader)
            os.close(self._writer)
            self._reader = self._writer = -1

    def watch(self, channel: Audible) -> None:
        """Wake for this channel too."""
        self._watched[channel] = channel.fileno()
        self._poll.register(channel.fileno(), select.POLLIN)

    def forget(self, channel: Audible) -> None:
        """Wake for this channel no more; before its descriptor is closed. May be repeated."""
        descriptor = self._watched.pop(channel, None)
        if descriptor is not None:
            self._poll.unregister(descriptor)

    def wait(self, timeout_s: float) -> list[int]:
        """Sleep until something rings or the time is over; give the numbers of the signals that came, in order."""
        self._poll.poll(max(0.0, timeout_s) * 1000)
        try:
            return list(os.read(self._reader, 4096))
        except BlockingIOError:
            return []
