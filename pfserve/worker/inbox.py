"""A seat's inbox: accepted connections travel from one worker to another through it, before a byte of them is read.

The master makes one inbox per seat, of all generations, before it forks, and keeps both ends open. So a connection
that waits in the inbox of a worker that dies is not lost: the seat's next worker takes it, or the seat's parent hands
it over to other seats; and workers of one generation can pass connections to those of the next.
"""

from __future__ import annotations

import contextlib
import socket
import struct
from collections.abc import Iterable, Mapping

from pfserve.region import Region

# A seat whose last beat is older than this is passed no connection. Beats come once a second.
STALE_AFTER_NS = 2_500_000_000

_EPOCH = struct.Struct("=Q")
_DESCRIPTOR = struct.Struct("=i")
_ANCILLARY_BYTES = socket.CMSG_SPACE(_DESCRIPTOR.size)


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

    def put(self, connection: socket.socket, epoch: int) -> None:
        """Send a copy of ``connection``, counted for the given epoch of the seat; the caller closes its own.

        Raises:
            OSError: it was not sent; a ``BlockingIOError`` where the inbox is full.
        """
        descriptor = _DESCRIPTOR.pack(connection.fileno())
        self._writer.sendmsg([_EPOCH.pack(epoch)], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, descriptor)])

    def take(self) -> tuple[socket.socket | None, int] | None:
        """The connection that waits longest and the epoch it was counted for; None where none waits.

        Its place holds None where this process has no descriptor left: the kernel has then closed the connection.
        """
        try:
            epoch, ancillary, _, _ = self._reader.recvmsg(_EPOCH.size, _ANCILLARY_BYTES, socket.MSG_CMSG_CLOEXEC)
        except BlockingIOError:
            return None
        connection = None
        if ancillary:
            connection = socket.socket(fileno=_DESCRIPTOR.unpack(ancillary[0][2])[0])
        return connection, _EPOCH.unpack(epoch)[0]

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
            connection, epoch = letter
            if connection is None:
                continue
            with contextlib.closing(connection):
                if not _post(connection, region, inboxes, live[0], now_ns):
                    inboxes[seat].put(connection, epoch)  # where it came from, there is room
                    break
            moved += 1
    return moved


def _post(connection: socket.socket, region: Region, inboxes: Mapping[int, Inbox], live_seat: int, now_ns: int) -> bool:
    seat, epoch = region.least_connected(live_seat, now_ns, STALE_AFTER_NS)
    try:
        inboxes[seat].put(connection, epoch)
    except OSError:  # full, or too many descriptors under way
        region.connection_closed(seat, epoch)
        return False
    return True
