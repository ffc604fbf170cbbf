"""The thread lane: a worker's threads for everything that blocks. Nothing here knows of plans or requests.

One queue, first in, first out. What a thread has finished is handed to the event loop in batches: the first thread
wakes the loop, and whatever the others finish until it looks comes along. All bookkeeping is the loop's; a thread
touches a job only after it has won the job's claim.
"""

from __future__ import annotations

import asyncio
import contextlib
import enum
import threading
import time
from collections import deque
from collections.abc import Awaitable, Callable
from queue import Empty, SimpleQueue
from typing import Generic, TypeVar, cast

from pfserve.errors import NotStarted, WorkerBootError
from pfserve.values import exception_text

T = TypeVar("T")

PATIENCE_S = 30.0
_NEWEST = 1 / 8  # the weight of the job that came back last in what jobs take lately
_LONGER, _SHORTER = (
    1.2,
    0.97,
)  # six jobs of seven are then shorter: one that the machine held up does not count for much


class Fate(enum.Enum):
    """What the event loop knows of a job."""

    OPEN = "open"  # somebody waits for it
    ABANDONED = "abandoned"  # given up before it came back
    BACK = "back"  # came back from its thread


class Job(Generic[T]):
    """A call on its way through the lane. ``future`` and ``fate`` belong to the loop; a thread never touches them."""

    __slots__ = ("claim", "error", "fate", "future", "result", "took_s", "work")

    def __init__(self, work: Callable[[], T], future: asyncio.Future[T]) -> None:
        self.work: Callable[[], T] | None = work
        self.future = future
        self.claim = threading.Lock()  # taken once, for good: by the thread that starts the job or by who gives it up
        self.fate = Fate.OPEN
        self.result: T | None = None
        self.error: BaseException | None = None
        self.took_s = 0.0


class ThreadLane:
    """``threads`` daemon threads that serve one queue, and bring results back to ``loop``.

    A job whose awaiting task is cancelled is dropped if no thread has started it. Otherwise its thread is *stuck*
    until the call returns; the result is thrown away. ``on_exhausted`` is called on the loop, once in the life of the
    lane, when every thread has been stuck for ``patience_s`` seconds without one of them coming back.

    All its methods are called on the event loop.

    Attributes:
        jobs: what was given to the lane and has not come back: queued, running or stuck.
        pace_s: what a job took on its thread, lately; a mean that forgets.
        usual_s: what six of seven jobs keep below, lately.
        latest_start_s: when a thread last took up a job, on the monotonic clock.
        on_change: called whenever ``jobs`` has changed.
    """

    def __init__(
        self,
        threads: int,
        loop: asyncio.AbstractEventLoop,
        *,
        patience_s: float = PATIENCE_S,
        on_exhausted: Callable[[], None] | None = None,
    ) -> None:
        self.threads = threads
        self.stuck = 0
        self.jobs = 0
        self.pace_s = 0.0
        self.usual_s = 0.0
        self.latest_start_s = 0.0
        self.on_change: Callable[[], None] | None = None
        self.on_exhausted = on_exhausted
        self._loop = loop
        self._patience_s = patience_s
        self._patience: asyncio.TimerHandle | None = None
        self._queue: SimpleQueue[Job[object] | None] = SimpleQueue()
        self._first: deque[Job[object]] = deque()  # queued behind others, and may be sent away; those that started too
        self._finished: deque[Job[object]] = deque()
        self._waking = False  # a wake-up of the loop is under way; threads set it, the loop clears it

    def start(self) -> None:
        """Start the threads. Daemons: a hung one does not keep the process from exiting.

        Raises:
            WorkerBootError: the system refuses one.
        """
        try:
            for number in range(self.threads):
                threading.Thread(target=self._serve, name=f"pfserve-lane-{number}", daemon=True).start()
        except RuntimeError as problem:
            reason = f"{problem} ({number} of {self.threads} run)"
            raise WorkerBootError(f"{reason}; raise the limit of processes: ulimit -u, or the container's") from None

    def close(self) -> None:
        """Cancel what no thread has started, and let idle threads end. Waits for nobody."""
        while True:
            try:
                job = self._queue.get_nowait()
            except Empty:
                break
            if job is not None:
                self.abandon(job)
        for _ in range(self.threads):
            self._queue.put(None)
        if self._patience is not None:
            self._patience.cancel()

    def submit(self, work: Callable[[], T]) -> Job[T]:
        """Queue a call. The caller awaits ``job.future`` and must :meth:`abandon` the job if it stops waiting."""
        job = Job(work, cast("asyncio.Future[T]", self._loop.create_future()))
        self._queue.put(cast("Job[object]", job))
        self._count(+1)
        return job

    def run(self, work: Callable[[], T]) -> Awaitable[T]:
        """Run the call on a thread and give its result, or raise its exception."""
        return self._result_of(self.submit(work))

    def run_first(self, work: Callable[[], T]) -> Awaitable[T]:
        """The same for the first thing that a request does: while it is queued, :meth:`send_away` may end it."""
        job = self.submit(work)
        if self.jobs > self.threads:
            self._first.append(cast("Job[object]", job))
        return self._result_of(job)

    def send_away(self) -> None:
        """Raise :class:`NotStarted` where the first calls of requests are awaited that no thread has started."""
        sent = 0
        while self._first:
            job = self._first.popleft()
            if job.claim.acquire(blocking=False):
                job.work = None
                job.fate = Fate.BACK
                sent += 1
                if not job.future.done():
                    job.future.set_exception(NotStarted())
        if sent:
            self._count(-sent)

    async def _result_of(self, job: Job[T]) -> T:
        try:
            return await job.future
        except asyncio.CancelledError:
            self.abandon(job)
            raise
        finally:
            del job  # it holds the exception, which holds this frame

    def abandon(self, job: Job[T]) -> None:
        """Give a job up: it does not start any more, or its thread counts as stuck until it comes back."""
        if job.fate is not Fate.OPEN:
            return
        job.fate = Fate.ABANDONED
        job.future.cancel()
        if job.claim.acquire(blocking=False):
            job.work = None  # the queue keeps the job until a thread comes to it: let go of the request's values
            self._count(-1)
        else:
            self._count_stuck(+1)

    # -- on the threads ------------------------------------------------------------------------------

    def _serve(self) -> None:
        while (job := self._queue.get()) is not None:
            if job.claim.acquire(blocking=False):
                self.latest_start_s = started_s = time.monotonic()
                self._perform(job)
                job.took_s = time.monotonic() - started_s
                self._hand_over(job)
            del job  # while the thread idles, nothing of the last request stays alive

    @staticmethod
    def _perform(job: Job[object]) -> None:
        work, job.work = job.work, None
        assert work is not None  # only who wins the claim takes it away
        try:
            job.result = work()
        except Exception as problem:
            job.error = problem
        except BaseException as problem:  # would end the thread here, and the loop where it is awaited
            job.error = RuntimeError(f"the call ended with {type(problem).__name__}: {exception_text(problem)}")
            job.error.__cause__ = problem
        finally:
            del job, work  # the job holds the exception, which holds this frame

    def _hand_over(self, job: Job[object]) -> None:
        self._finished.append(job)
        if not self._waking:
            self._waking = True
            with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
                self._loop.call_soon_threadsafe(self._deliver)

    # -- back on the loop ----------------------------------------------------------------------------

    def _deliver(self) -> None:
        self._waking = False  # before looking: a job that comes after the last look wakes the loop again
        came = 0
        while self._finished:
            job = self._finished.popleft()
            came += 1
            took_s = job.took_s
            self.pace_s += (took_s - self.pace_s) * (_NEWEST if self.pace_s else 1.0)
            self.usual_s = self.usual_s * (_LONGER if took_s > self.usual_s else _SHORTER) or took_s
            fate, job.fate = job.fate, Fate.BACK
            if fate is Fate.ABANDONED:
                self._count_stuck(-1)
            elif not job.future.done():  # else its task is cancelled, and about to give it up
                _settle(job)
        while self._first and self._first[0].claim.locked():
            self._first.popleft()
        self._count(-came)

    def _count(self, change: int) -> None:
        self.jobs += change
        if self.on_change is not None:
            self.on_change()

    def _count_stuck(self, change: int) -> None:
        self.stuck += change
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None
        if self.stuck == self.threads and self.on_exhausted is not None:
            self._patience = self._loop.call_later(self._patience_s, self._exhausted)

    def _exhausted(self) -> None:
        tell, self.on_exhausted = self.on_exhausted, None
        if tell is not None:
            tell()


def _settle(job: Job[object]) -> None:
    if job.error is None:
        job.future.set_result(job.result)
    elif isinstance(job.error, StopIteration):  # a future refuses it
        job.future.set_exception(RuntimeError("the call raised StopIteration"))
    else:
        job.future.set_exception(job.error)
