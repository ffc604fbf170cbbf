"""One instance, simulated: what is let in, what waits for a slot, what shares the cores, what is too late.

As the server does it: at most ``places`` requests are inside; a blocking stretch holds one of the ``slots`` and waits
for it in one line, later stretches of a request ahead of new requests; asynchronous waits hold none; who computes
shares the cores evenly, nobody having more than one. A request past its deadline has its answer and gives its place
back, but what it runs on a thread goes on to its end and keeps its slot.
"""

from __future__ import annotations

import math
from collections import deque
from heapq import heappop, heappush

import msgspec

from .demand import Demand


class Shape(msgspec.Struct, frozen=True):
    """An instance."""

    slots: int  # workers times threads
    cores: float  # that it can really use: no more than workers
    places: int  # requests inside at once, running or waiting
    deadline_s: float = math.inf  # from arrival


class _Job:
    """A request on its way."""

    __slots__ = ("arrived_s", "draws", "gone", "phase", "slotted")

    def __init__(self, arrived_s: float, draws: tuple[float, ...]) -> None:
        self.arrived_s = arrived_s
        self.draws = draws
        self.phase = 0
        self.slotted = False  # runs on a slot now
        self.gone = False  # answered, one way or the other


class Instance:
    """Its state. Time only goes forward: :meth:`advance` to a time, then :meth:`offer` what comes then."""

    def __init__(self, shape: Shape, demand: Demand, begin_s: float) -> None:
        self.begin_s = begin_s  # who came before is in no figure
        self.next_s = math.inf  # of what happens by itself
        self.inside = 0
        self.latencies_s: list[float] = []
        self.offered = 0
        self.refused = 0
        self.timed_out = 0
        self._places, self._deadline_s, self._cores = shape.places, shape.deadline_s, shape.cores
        self._free = shape.slots
        self._phases = [(p.blocking, 1 - p.cpu_share, p.cpu_share) for p in demand.phases]
        self._line: deque[_Job] = deque()
        self._returning: deque[_Job] = deque()
        self._expiring: deque[_Job] = deque()
        self._timers: list[tuple[float, int, _Job]] = []
        self._computing: list[tuple[float, int, _Job]] = []  # by the virtual time at which they are done
        self._virtual_s = 0.0  # CPU that each of those who compute has had
        self._seen_s = 0.0  # when that was
        self._count = 0

    def offer(self, now_s: float, draws: tuple[float, ...]) -> None:
        """A request comes. ``draws``: how long each of its phases takes."""
        counts = now_s >= self.begin_s
        self.offered += counts
        if self.inside >= self._places:
            self.refused += counts
            return
        self.inside += 1
        job = _Job(now_s, draws)
        if self._deadline_s < math.inf:
            self._expiring.append(job)
        self._enter(job, now_s)
        self._look()

    def advance(self, until_s: float) -> None:
        """Let everything happen that is due until then."""
        while self.next_s <= until_s:
            now_s = self.next_s
            timers, computing = self._timers, self._computing
            if timers and timers[0][0] <= now_s:
                self._waited(heappop(timers)[2], now_s)
            elif self._expiring and self._expiring[0].arrived_s + self._deadline_s <= now_s:
                self._expire(self._expiring.popleft(), now_s)
            else:
                self._progress(now_s)
                self._virtual_s = max(self._virtual_s, computing[0][0])
                self._done(heappop(computing)[2], now_s)
            self._look()

    def _look(self) -> None:
        """When something happens next."""
        next_s = self._timers[0][0] if self._timers else math.inf
        computing = self._computing
        if computing:
            left_s = computing[0][0] - self._virtual_s
            crowd = len(computing) / self._cores
            at_s = self._seen_s + (left_s * crowd if crowd > 1 else left_s)
            if at_s < next_s:  # noqa: PLR1730  (min() would be a call for every event)
                next_s = at_s
        if self._expiring:
            expiring = self._expiring
            while expiring and expiring[0].gone:
                expiring.popleft()
            if expiring and expiring[0].arrived_s + self._deadline_s < next_s:
                next_s = expiring[0].arrived_s + self._deadline_s
        self.next_s = next_s

    def _progress(self, now_s: float) -> None:
        """Give those who compute what they have had since."""
        crowd = len(self._computing) / self._cores
        passed_s = now_s - self._seen_s
        self._virtual_s += passed_s / crowd if crowd > 1 else passed_s
        self._seen_s = now_s

    def _enter(self, job: _Job, now_s: float) -> None:
        """The job's next phase, or its place in the line."""
        if self._phases[job.phase][0]:
            if not self._free:
                (self._returning if job.phase else self._line).append(job)
                return
            self._free -= 1
            job.slotted = True
        self._begin(job, now_s)

    def _begin(self, job: _Job, now_s: float) -> None:
        _, waits, computes = self._phases[job.phase]
        took_s = job.draws[job.phase]
        self._count += 1
        if waits:
            heappush(self._timers, (now_s + took_s * waits, self._count, job))
        elif computes:
            self._compute(job, now_s)

    def _waited(self, job: _Job, now_s: float) -> None:
        """The job's wait for somebody else is over."""
        if job.gone and not job.slotted:
            return
        if self._phases[job.phase][2]:
            self._compute(job, now_s)
        else:
            self._done(job, now_s)

    def _compute(self, job: _Job, now_s: float) -> None:
        self._progress(now_s)
        self._count += 1
        need_s = job.draws[job.phase] * self._phases[job.phase][2]
        heappush(self._computing, (self._virtual_s + need_s, self._count, job))

    def _done(self, job: _Job, now_s: float) -> None:
        """A phase is over. Who needs a slot again stands in line before the free one is given away."""
        if not job.gone:
            job.phase += 1
            if job.phase == len(self._phases):
                self._end(job, now_s)
            elif job.slotted and self._phases[job.phase][0]:
                self._returning.append(job)
            else:
                self._enter(job, now_s)
        if job.slotted:
            job.slotted = False
            self._free += 1
            self._pull(now_s)

    def _end(self, job: _Job, now_s: float) -> None:
        job.gone = True
        self.inside -= 1
        if job.arrived_s >= self.begin_s:
            self.latencies_s.append(now_s - job.arrived_s)

    def _pull(self, now_s: float) -> None:
        """The free slot takes who waits longest."""
        for line in (self._returning, self._line):
            while line:
                job = line.popleft()
                if not job.gone:
                    self._free -= 1
                    job.slotted = True
                    self._begin(job, now_s)
                    return

    def _expire(self, job: _Job, now_s: float) -> None:
        """The deadline passes: the client has its answer."""
        if job.gone:
            return
        job.gone = True
        self.inside -= 1
        self.timed_out += job.arrived_s >= self.begin_s
