"""A seat's mailbox: what other workers of its generation tell it about the line, and the private streams they open.

The leader makes one per seat before it forks and keeps both ends open; a letter says which process of the seat it is
meant for, so what was written to one that has died is no news to its successor.
"""

from __future__ import annotations

import enum
import socket
import struct

import msgspec


class Kind(enum.IntEnum):
    """What a letter is about."""

    LOOK = 1  # somebody waits in the line: look whether you have a free slot
    GRANT = 2  # your request, the letter's entry, may run at the sender
    DECLINE = 3  # the request that you granted a slot does not need it any more
    STREAM = 4  # with a descriptor: a private stream, on which the sender hands requests over


class Letter(msgspec.Struct, frozen=True):
    """One message. ``number`` is that of an entry, 0 where it is about none; ``sent_ns`` is monotonic."""

    kind: Kind
    sender: int  # a seat
    sender_epoch: int
    epoch: int  # of the seat that it is written to
    number: int = 0
    sent_ns: int = 0


_LETTER = struct.Struct("=6Q")
_DESCRIPTOR = struct.Struct("=i")
_ANCILLARY_BYTES = socket.CMSG_SPACE(_DESCRIPTOR.size)


class Mailbox:
    """A queue of letters to one seat: any worker puts, only the worker on the seat takes. Never blocks."""

    def __init__(self) -> None:
        self._reader, self._writer = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET | socket.SOCK_NONBLOCK)

    def fileno(self) -> int:
        """The descriptor that is readable while a letter waits."""
        return self._reader.fileno()

    def put(self, letter: Letter, stream: socket.socket | None = None) -> bool:
        """Send a letter, with a copy of ``stream``. False if it was not sent: the mailbox is full."""
        text = _LETTER.pack(*msgspec.structs.astuple(letter))
        ancillary = []
        if stream is not None:
            ancillary = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, _DESCRIPTOR.pack(stream.fileno()))]
        try:
            self._writer.sendmsg([text], ancillary)
        except OSError:
            return False
        return True

    def take(self) -> tuple[Letter, socket.socket | None] | None:
        """The oldest letter and the stream that came with it; None where none waits.

        There is no stream where this process has no descriptor left: the kernel has then closed it.
        """
        try:
            text, ancillary, _, _ = self._reader.recvmsg(_LETTER.size, _ANCILLARY_BYTES, socket.MSG_CMSG_CLOEXEC)
        except BlockingIOError:
            return None
        kind, *rest = _LETTER.unpack(text)
        stream = None
        if ancillary:
            stream = socket.socket(fileno=_DESCRIPTOR.unpack(ancillary[0][2])[0])
            stream.setblocking(False)
        return Letter(Kind(kind), *rest), stream

    def empty(self) -> None:
        """Throw away what waits for a process that is gone: whoever has opened a stream to it then sees its end."""
        while (taken := self.take()) is not None:
            if taken[1] is not None:
                taken[1].close()

    def close(self) -> None:
        """Close both ends of this process."""
        self._reader.close()
        self._writer.close()


def stream_pair() -> tuple[socket.socket, socket.socket]:
    """The two ends of a private stream."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
    for end in (ours, theirs):
        end.setblocking(False)
    return ours, theirs
