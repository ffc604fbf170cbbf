"""The shared region: an anonymous memory file that the master makes and every process inherits by fork.

Layout: the bytes of the lock, then the master's words, then arrays of 64-bit words, one element per seat, then a line
for each block of seats.
One process writes a word unless its comment says otherwise; such words are written under the lock only.
Nothing is stored that could be computed: the number of requests inside is the sum of the ticket cells.
Aligned words are read and written whole, so a reader without the lock sees an old value or a new one, never a mix.
"""

from __future__ import annotations

import enum
import mmap
import os

from pfserve.region.ledger import Ledger
from pfserve.region.line import Line, line_words
from pfserve.region.lock import LOCK_BYTES, RegionLock

_WORD = 8
_ARRAYS = (
    "tickets",
    "connections",
    "beats",
    "states",
    "pids",
    "generations",
    "epochs",
    "served",
    "next_ends",
    "busy",
    "exhausted",
    "overdue",
)
_MASTER_WORDS = 8
_MASTER_BEAT, _DRAINING, _SERVING, _WAITING = 0, 1, 2, 3


class SeatState(enum.IntEnum):
    """The state word of a seat, as other processes see it."""

    EMPTY = 0  # no process
    BOOTING = 1  # taken, its process is not ready
    LIVE = 2  # serves; may be passed connections
    DRAINING = 3  # finishes what it has


class Region:
    """The memory shared by master, leaders and workers of one instance.

    Every array is a ``memoryview`` of unsigned 64-bit words indexed by seat:

    * ``tickets`` - requests of the seat inside the instance; raised by its worker under the lock, lowered without it;
    * ``connections`` - open connections of the seat, those on their way to it included; any worker, under the lock;
    * ``beats`` - monotonic nanoseconds of the last beat of the seat's event loop; its worker writes;
    * ``states`` - a :class:`SeatState`; its worker writes LIVE and DRAINING, its parent EMPTY and BOOTING;
    * ``pids``, ``generations`` - of the process on the seat, 0 for none; its parent writes;
    * ``epochs`` - raised whenever the seat is left; its parent writes, together with zeroed cells, under the lock;
    * ``next_ends`` - monotonic nanoseconds when the next running request of the seat should end, a guess; with the last
      bit set it is when its oldest one began, if it does not know how long requests take; 0 if none runs; its worker
      writes it once a second, and when it refuses a request;
    * ``served`` - requests answered by the seat since the instance started, all epochs; its worker writes;
    * ``busy`` - slots of the seat that are taken, and what is queued for them; its worker writes;
    * ``exhausted`` - whether its worker has no descriptor left for a connection; its worker writes;
    * ``overdue`` - blocking calls of the seat that nobody waits for any more and that keep their slots; its worker
      writes it once a second.

    A new seat's life: its parent calls :meth:`occupy`, forks and writes ``pids``; the worker beats, then writes LIVE;
    after ``waitpid`` (or a fork that failed) the parent calls :meth:`vacate`.

    Args:
        capacity: how many requests may be inside the instance.
        seats: how many processes may serve at a time, of all generations.
        blocks: of seats: how many generations fit at a time.

    Attributes:
        ledger: what the instance counts and tells about itself.
        lines: those of all blocks.

    Raises:
        BootError: the C library's mutex is not one we know.
    """

    tickets: memoryview
    connections: memoryview
    beats: memoryview
    states: memoryview
    pids: memoryview
    generations: memoryview
    epochs: memoryview
    served: memoryview
    next_ends: memoryview
    busy: memoryview
    exhausted: memoryview
    overdue: memoryview

    def __init__(self, capacity: int, seats: int, blocks: int = 1) -> None:
        self.capacity = capacity
        self.seats = seats
        self.ledger = Ledger(seats, blocks)
        self._block_size = seats // blocks
        array_bytes = seats * _WORD
        arrays_start = LOCK_BYTES + _MASTER_WORDS * _WORD
        lines_start = arrays_start + len(_ARRAYS) * array_bytes
        line_bytes = line_words(capacity) * _WORD
        view = memoryview(_shared_memory(lines_start + blocks * line_bytes))
        self.lock = RegionLock(view[:LOCK_BYTES])
        self.lock.initialise()
        self._master = view[LOCK_BYTES:arrays_start].cast("Q")
        for index, name in enumerate(_ARRAYS):
            start = arrays_start + index * array_bytes
            setattr(self, name, view[start : start + array_bytes].cast("Q"))
        starts = range(lines_start, lines_start + blocks * line_bytes, line_bytes)
        self.lines = [Line(view[start : start + line_bytes].cast("Q"), self.lock, capacity) for start in starts]

    def line(self, seat: int) -> Line:
        """The line of the block that the seat belongs to: of its generation."""
        return self.lines[seat // self._block_size]

    # -- Words of the master -----------------------------------------------------------------------

    @property
    def master_beat_ns(self) -> int:
        """Monotonic nanoseconds of the master's last turn; the master writes."""
        return self._master[_MASTER_BEAT]

    @master_beat_ns.setter
    def master_beat_ns(self, now_ns: int) -> None:
        self._master[_MASTER_BEAT] = now_ns

    @property
    def draining(self) -> bool:
        """Whether the instance is going down; the master writes."""
        return bool(self._master[_DRAINING])

    @draining.setter
    def draining(self, value: bool) -> None:
        self._master[_DRAINING] = value

    @property
    def waiting(self) -> bool:
        """Whether nobody serves the flow, because it cannot be compiled yet; the master writes."""
        return bool(self._master[_WAITING])

    @waiting.setter
    def waiting(self, value: bool) -> None:
        self._master[_WAITING] = value

    @property
    def serving_generation(self) -> int:
        """The youngest generation that has got ready, 0 while none has: it gets the connections; the master writes."""
        return self._master[_SERVING]

    @serving_generation.setter
    def serving_generation(self, generation: int) -> None:
        self._master[_SERVING] = generation

    # -- Seats: their parents call these -----------------------------------------------------------

    def occupy(self, seat: int, generation: int) -> int:
        """Take an empty seat for a process about to be forked, and give the seat's epoch.

        Before the fork, so that the child finds its seat in order and the two never write the same word at a time.
        """
        with self.lock:
            self.generations[seat] = generation
            self.beats[seat] = 0
            self.states[seat] = SeatState.BOOTING
            return self.epochs[seat]

    def vacate(self, seat: int) -> None:
        """Forget the process of a seat, its requests and its connections. Only once the process is reaped.

        May be repeated: a leader that dies half way leaves the rest to the master.
        """
        with self.lock:
            self.states[seat] = SeatState.EMPTY
            self.pids[seat] = 0
            self.generations[seat] = 0
            self.beats[seat] = 0
            self.tickets[seat] = 0
            self.next_ends[seat] = 0
            self.connections[seat] = 0
            self.busy[seat] = 0
            self.exhausted[seat] = 0
            self.overdue[seat] = 0
            self.line(seat).forget(seat)
            self.epochs[seat] += 1

    def live_seats(self, now_ns: int, stale_after_ns: int) -> list[int]:
        """The seats, of all generations, that serve and whose last beat is at most ``stale_after_ns`` old."""
        oldest_ns = now_ns - stale_after_ns
        states, beats = self.states, self.beats
        return [seat for seat in range(self.seats) if states[seat] == SeatState.LIVE and beats[seat] >= oldest_ns]

    # -- Connections: the workers call these -------------------------------------------------------

    def least_connected(self, own_seat: int, now_ns: int, stale_after_ns: int) -> tuple[int, int]:
        """Choose who serves a connection that ``own_seat`` has accepted, and count it there.

        That is, of :meth:`targets`, the seat with the fewest connections; a tie goes to ``own_seat``, then to the
        lowest. Without any it is ``own_seat``.

        Returns:
            The seat and its epoch: the connection's place, for :meth:`connection_closed`.
        """
        connections = self.connections
        with self.lock:
            best, fewest = own_seat, None
            for seat in self.targets(own_seat, now_ns, stale_after_ns):
                count = connections[seat]
                if fewest is None or count < fewest or (count == fewest and seat == own_seat):
                    best, fewest = seat, count
            connections[best] += 1
            return best, self.epochs[best]

    def targets(self, own_seat: int, now_ns: int, stale_after_ns: int) -> list[int]:
        """The live seats that ``own_seat`` may pass connections to; itself too, if it is one of them.

        Those of the serving generation. Where it has none (it is just dying), those of the seat's own; then any.
        Those without a descriptor left have few connections and would lose each one more: they are left out.
        """
        live = [seat for seat in self.live_seats(now_ns, stale_after_ns) if not self.exhausted[seat]]
        generations = self.generations
        for generation in (self.serving_generation, generations[own_seat]):
            if found := [seat for seat in live if generations[seat] == generation]:
                return found
        return live

    def connection_adopted(self, seat: int) -> None:
        """Count at its adopter a connection that was counted for an earlier process of the seat, and forgotten."""
        with self.lock:
            self.connections[seat] += 1

    def connection_closed(self, seat: int, epoch: int) -> None:
        """Take a connection off the count of its place, unless the process it was counted for is gone."""
        with self.lock:
            if self.epochs[seat] == epoch:
                self.connections[seat] -= 1


def _shared_memory(size: int) -> mmap.mmap:
    descriptor = os.memfd_create("pfserve", os.MFD_CLOEXEC)
    try:
        os.ftruncate(descriptor, size)
        return mmap.mmap(descriptor, size, mmap.MAP_SHARED)
    finally:
        os.close(descriptor)  # the mapping has its own
