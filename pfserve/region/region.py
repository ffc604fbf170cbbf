"""The shared region: an anonymous memory file that the master makes and every process inherits.

Layout: arrays of 64-bit words, one element per seat, then the master's words, then the bytes of the lock.
One process writes a word unless its comment says otherwise; such words are written under the lock only.
Nothing is stored that could be computed: the number of requests inside is the sum of the ticket cells.
"""

from __future__ import annotations

import enum
import mmap
import os

_WORD = 8
_ARRAYS = ("tickets", "connections", "beats", "states", "pids", "generations", "epochs", "served")
_MASTER_WORDS = 8
_LOCK_BYTES = 128


class SeatState(enum.IntEnum):
    """The state word of a seat, as other processes see it."""

    EMPTY = 0  # no process
    BOOTING = 1  # forked, not ready
    LIVE = 2  # serves; may be passed connections
    DRAINING = 3  # finishes what it has


class Region:
    """The memory shared by master, leaders and workers of one instance.

    Every array is a ``memoryview`` of unsigned 64-bit words indexed by seat:

    * ``tickets`` - requests of the seat inside the instance; raised by its worker under the lock, lowered by it without;
    * ``connections`` - open connections of the seat, those on their way to it included; under the lock;
    * ``beats`` - monotonic nanoseconds of the last beat of the seat's event loop; its worker writes;
    * ``states`` - a :class:`SeatState`; its worker writes LIVE and DRAINING, its parent EMPTY and BOOTING;
    * ``pids``, ``generations`` - of the process on the seat, 0 for none; its parent writes;
    * ``epochs`` - how many processes have sat here; its parent writes, together with zeroed cells, under the lock;
    * ``served`` - requests answered by the seat since the instance started, all epochs; its worker writes.
    """

    tickets: memoryview
    connections: memoryview
    beats: memoryview
    states: memoryview
    pids: memoryview
    generations: memoryview
    epochs: memoryview
    served: memoryview

    def __init__(self, capacity: int, seats: int) -> None:
        self.capacity = capacity
        self.seats = seats
        array_bytes = seats * _WORD
        size = len(_ARRAYS) * array_bytes + _MASTER_WORDS * _WORD + _LOCK_BYTES
        descriptor = os.memfd_create("pfserve", os.MFD_CLOEXEC)
        os.ftruncate(descriptor, size)
        self.descriptor = descriptor
        self._map = mmap.mmap(descriptor, size, mmap.MAP_SHARED)
        view = memoryview(self._map)
        for index, name in enumerate(_ARRAYS):
            setattr(self, name, view[index * array_bytes : (index + 1) * array_bytes].cast("Q"))
        start = len(_ARRAYS) * array_bytes
        self._master = view[start : start + _MASTER_WORDS * _WORD].cast("Q")
        self.lock_bytes = view[start + _MASTER_WORDS * _WORD :]
