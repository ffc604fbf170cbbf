"""A seat's inbox: connections travel from one worker to another through it, with what was received of them so far.

The master makes one inbox per seat, of all generations, before it forks, and keeps both ends open. So a connection
that waits in the inbox of a worker that dies is not lost: the seat's next worker takes it, or the seat's parent hands
it over to other seats; and workers of one generation can pass connections to those of the next.
"""

from __future__ import annotations

import contextlib
import socket
import struct
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from pfserve.region import Region

# A seat whose last beat is older than this is passed no connection. Beats come once a second.
STALE_AFTER_NS = 2_500_000_000

# What may travel with a connection. A message takes its place in the kernel's queue, which is some 200 KiB.
MOST_RECEIVED_BYTES = 64 * 1024

_EPOCH = struct.Struct("=Q")
_LETTER_BYTES = _EPOCH.size + MOST_RECEIVED_BYTES
_DESCRIPTOR = struct.Struct("=i")
_ANCILLARY_BYTES = socket.CMSG_SPACE(_DESCRIPTOR.size)


class Letter(NamedTuple):
    """A connection from another worker."""

    connection: socket.socket | None  # None where this process had no descriptor left: the kernel has closed it
    epoch: int  # of the seat that it was counted for
    received: bytes  # by the sender, and not acted on


class Inbox:
    """A queue of connections to one seat: any worker puts, only the worker on the seat takes.

    It is a pair of Unix sockets, so the kernel keeps the queue (some 270 connections with its default buffer) and a
    put that finds it full fails at once.
    """

    def __init__(self) -> None:
        self._reader, self._writer = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET | socket.SOCK_NONBLOCK)

    def fileno(self) -> int:
        """The descriptor that is readable while a connection waits."""
        return self._reader.fileno()

    def put(self, connection: socket.socket, epoch: int, received: bytes = b"") -> None:
        """Send a copy of ``connection``, counted for the given epoch of the seat; the caller closes its own.

        ``received`` is what its client has sent and nobody has acted on: ``MOST_RECEIVED_BYTES`` at most.

        Raises:
            OSError: it was not sent; a ``BlockingIOError`` where the inbox is full.
        """
        descriptor = _DESCRIPTOR.pack(connection.fileno())
        self._writer.sendmsg([_EPOCH.pack(epoch), received], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, descriptor)])

    def take(self) -> Letter | None:
        """The connection that waits longest; None where none waits."""
        try:
            data, ancillary, _, _ = self._reader.recvmsg(_LETTER_BYTES, _ANCILLARY_BYTES, socket.MSG_CMSG_CLOEXEC)
        except BlockingIOError:
            return None
        connection = None
        if ancillary:
            connection = socket.socket(fileno=_DESCRIPTOR.unpack(ancillary[0][2])[0])
        return Letter(connection, _EPOCH.unpack_from(data)[0], data[_EPOCH.size :])

    def close(self) -> None:
        """Close both ends of this process; the last process to do so closes the connections that still wait."""
        self._reader.close()
        self._writer.close()


def hand_over(seats: Iterable[int], region: Region, inboxes: Mapping[int, Inbox], now_ns: int) -> int:
    """Move what waits in the inboxes of empty seats to the live seats with the fewest connections.

    Called by the parent of the processes that sat there. While no seat is live, or none has room, it waits on.

    Args:
        seats: on which nobody sits.
        region: the instance's.
        inboxes: of all seats, by seat.
        now_ns: monotonic.

    Returns:
        How many connections were moved.
    """
    moved = 0
    for seat in seats:
        while (live := region.live_seats(now_ns, STALE_AFTER_NS)) and (letter := inboxes[seat].take()):
            if letter.connection is None:
                continue
            with contextlib.closing(letter.connection):
                if not _post(letter, region, inboxes, live[0], now_ns):
                    inboxes[seat].put(letter.connection, letter.epoch, letter.received)  # back, there is room
                    break
            moved += 1
    return moved


def _post(letter: Letter, region: Region, inboxes: Mapping[int, Inbox], live_seat: int, now_ns: int) -> bool:
    assert letter.connection is not None
    seat, epoch = region.least_connected(live_seat, now_ns, STALE_AFTER_NS)
    try:
        inboxes[seat].put(letter.connection, epoch, letter.received)
    except OSError:  # full, or too many descriptors under way
        region.connection_closed(seat, epoch)
        return False
    return True
