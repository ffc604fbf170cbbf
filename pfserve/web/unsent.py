"""Answers that their clients are slow to take: who is cut off, and when.

A client may be as slow as it likes while it takes something. It is cut off once it has taken nothing for as long as a
connection may be idle, or when all unsent answers together are too large: then who has waited longest goes first.
"""

from __future__ import annotations

from collections.abc import Iterable
from fcntl import ioctl
from struct import unpack
from termios import TIOCOUTQ
from typing import Protocol, TypeVar

from pfserve.web.settings import Limits


class Sending(Protocol):
    """A connection, as it is judged here."""

    since_s: float

    def unsent_bytes(self, now_s: float) -> int:
        """What waits in this process; takes note of progress in ``since_s``."""


T = TypeVar("T", bound=Sending)


def overdue(connections: Iterable[T], now_s: float, limits: Limits) -> list[T]:
    """The connections to be cut off. Those with a request in progress are not to be among ``connections``."""
    cut: list[T] = []
    waiting: list[tuple[float, int, T]] = []
    oldest_s = now_s - limits.keep_alive_s
    for connection in connections:
        unsent = connection.unsent_bytes(now_s)
        if connection.since_s < oldest_s:
            cut.append(connection)
        elif unsent:
            waiting.append((connection.since_s, unsent, connection))
    total = sum(unsent for _, unsent, _ in waiting)
    for _, unsent, connection in sorted(waiting, key=lambda one: one[0]):
        if total <= limits.unsent_bytes:
            break
        cut.append(connection)
        total -= unsent
    return cut


def in_kernel(descriptor: int) -> int:
    """How many bytes of a socket its peer has not acknowledged."""
    count: int = unpack("i", ioctl(descriptor, TIOCOUTQ, b"\0\0\0\0"))[0]
    return count
