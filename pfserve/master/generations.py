"""When to start, replace and end generations: the decisions of the master. Time and events in, actions out.

A generation is a leader and its workers. It owns a block of seats until all of its processes are gone.
"""

from __future__ import annotations

import enum
from collections import deque
from collections.abc import Iterable

import msgspec

from pfserve.errors import CompileError, ConfigError, CrashLoopError, PortError, WorkerBootError
from pfserve.master.protocol import (
    Action,
    AskedReload,
    AskedStop,
    AskedTryAgain,
    BecameReady,
    BeginDrain,
    Compiled,
    Dump,
    Emptied,
    EndReload,
    Event,
    Exit,
    Failed,
    Fork,
    FoundUnshareable,
    Kill,
    LeaderExited,
    PostponeReload,
    RefuseReload,
    Tell,
    TellDrain,
    TellRetire,
    Waits,
)


class Phase(enum.Enum):
    """Where a generation is in its life."""

    COMPILING = "compiling"
    STARTING = "starting"  # compiled; its workers get ready
    LIVE = "live"
    RETIRING = "retiring"  # a younger one serves; gives its connections to that
    DRAINING = "draining"  # the instance goes down
    KILLED = "killed"  # SIGKILL is sent to its leader
    ORPHANED = "orphaned"  # its leader is reaped, some of its workers may not be


MOVES: dict[Phase, frozenset[Phase]] = {
    Phase.COMPILING: frozenset({Phase.STARTING, Phase.KILLED, Phase.ORPHANED}),
    Phase.STARTING: frozenset({Phase.LIVE, Phase.DRAINING, Phase.KILLED, Phase.ORPHANED}),
    Phase.LIVE: frozenset({Phase.RETIRING, Phase.DRAINING, Phase.KILLED, Phase.ORPHANED}),
    Phase.RETIRING: frozenset({Phase.DRAINING, Phase.KILLED, Phase.ORPHANED}),
    Phase.DRAINING: frozenset({Phase.KILLED, Phase.ORPHANED}),
    Phase.KILLED: frozenset({Phase.ORPHANED}),
    Phase.ORPHANED: frozenset(),
}
"""The legal moves of a generation. It is forgotten when all of its seats are empty."""


_COMING = (Phase.COMPILING, Phase.STARTING)


class Terms(msgspec.Struct, frozen=True):
    """How long the master waits, and how often it tries again."""

    boot_timeout_s: float
    request_timeout_s: float  # an old generation may finish its requests for so long after a reload
    drain_delay_s: float
    grace_s: float
    preload: bool
    blocks: int  # of seats: how many generations fit at a time
    dump_s: float = 0.5  # between asking for a stack and killing
    late_s: float = 1.5  # a drained leader may be so late before it is killed; it gives its workers less
    boot_late_s: float = 5.0  # a leader ends by itself when its workers are late; one that does not is killed
    echo_s: float = 0.1  # within it a signal that comes twice is one: timeout(1) tells a process, then its group
    window_s: float = 60.0  # of the crash loop
    deaths: int = 5  # of leaders within the window
    backoff_s: float = 0.1  # before the second new leader within the window; doubles
    longest_backoff_s: float = 5.0
    first_retry_s: float = 1.0  # before what a generation waits for is tried again; doubles
    longest_retry_s: float = 30.0
    asked_retry_s: float = 5.0  # at most so often, where requests ask for it


class Generation:
    """One leader with its workers."""

    def __init__(self, number: int, block: int, now_s: float) -> None:
        self.number = number
        self.block = block
        self.phase = Phase.COMPILING
        self.since_s = now_s
        self.dumped = False
        self.waits = ""  # why the flow cannot be compiled yet: that is what it serves
        self.must_split = False  # user code forbids the fork: compile in each worker
        self.deadline_s = 0.0  # 0 until it was told to retire or to drain
        self.exit_code: int | None = None  # what it said it would exit with
        self.message = ""
        self.detail = ""

    def move(self, phase: Phase, now_s: float) -> None:
        """Enter a phase."""
        assert phase in MOVES[self.phase], f"generation {self.number}: {self.phase} -> {phase}"
        self.phase = phase
        self.since_s = now_s


class Generations:
    """All generations of the instance. Call :meth:`decide` with what happened; do what it says."""

    def __init__(self, terms: Terms) -> None:
        self._terms = terms
        self._all: dict[int, Generation] = {}
        self._born = 0
        self._wanted: bool | None = terms.preload  # a leader is to be forked, preloading or not; None: none is
        self._fork_after_s = 0.0
        self._deaths: deque[float] = deque()
        self._retry_s = terms.first_retry_s
        self._retry_after_s = 0.0
        self._retried_s = 0.0
        self._again = False  # one more reload, once the one in progress is over
        self._stopping = False
        self._stop_number = 0
        self._stopped_s = 0.0
        self._reloading = False  # a reload was begun and its end is not told
        self._actions: list[Action] = []
        self._ended = False
        self._has_served = False

    def phase(self, generation: int) -> Phase:
        """Where the generation is in its life."""
        return self._all[generation].phase

    @property
    def serves(self) -> bool:
        """Whether a generation serves, be it only the reason why it waits."""
        return bool(self._in(Phase.LIVE))

    @property
    def waits(self) -> bool:
        """Whether nobody serves the flow itself: it cannot be compiled yet."""
        live = self._in(Phase.LIVE)
        return bool(live) and all(generation.waits for generation in live)

    def all(self) -> list[tuple[int, int, Phase]]:
        """Every generation that is not forgotten: its number, its block and where it is in its life."""
        return [(generation.number, generation.block, generation.phase) for generation in self._all.values()]

    def wake_after_s(self, now_s: float) -> float:
        """How long the master may sleep if nothing happens, in seconds."""
        times = [g.since_s + self._terms.boot_timeout_s + self._terms.dump_s for g in self._in(Phase.COMPILING)]
        times += [g.since_s + self._terms.boot_timeout_s + self._terms.boot_late_s for g in self._in(Phase.STARTING)]
        times += [g.deadline_s + self._terms.late_s for g in self._in(Phase.RETIRING, Phase.DRAINING)]
        if self._wanted is not None and self._fork_after_s > now_s:
            times.append(self._fork_after_s)
        if self.waits and not self._in(*_COMING):
            times.append(self._retry_after_s)
        return min([1.0, *(max(0.0, time_s - now_s) for time_s in times)])

    def decide(self, now_s: float, events: Iterable[Event]) -> list[Action]:
        """Take note of the events, look at the clock, and say what is to be done, in this order."""
        self._actions = []
        for event in events:
            if not self._ended:
                self._note(now_s, event)
        if not self._ended:
            self._find_late(now_s)
            self._follow_up()
            self._try_again(now_s)
            self._fork(now_s)
        if self._stopping and not self._all and not self._ended:
            self._exit(0)
        return self._actions

    # -- what happened

    def _note(self, now_s: float, event: Event) -> None:  # noqa: C901 - one case an event
        match event:
            case AskedStop(number):
                self._note_stop(now_s, number)
            case AskedReload(client):
                self._note_reload(client)
            case Compiled(number):
                if self._all[number].phase is Phase.COMPILING:
                    self._all[number].move(Phase.STARTING, now_s)
            case BecameReady(number):
                self._note_ready(now_s, self._all[number])
            case Waits(number, reason):
                self._note_waits(now_s, self._all[number], reason)
            case AskedTryAgain():
                self._retry_after_s = min(self._retry_after_s, self._retried_s + self._terms.asked_retry_s)
            case FoundUnshareable(number, reason):
                self._all[number].must_split = True
                self._tell(
                    f"generation {number}: the flow cannot be shared by a fork ({reason}); compiling in each worker"
                )
            case Failed(number, exit_code, message, detail):
                failed = self._all[number]
                failed.exit_code, failed.message, failed.detail = exit_code, message, detail
            case LeaderExited(number, how):
                self._note_leader_exit(now_s, self._all[number], how)
            case Emptied(number):
                del self._all[number]

    def _note_stop(self, now_s: float, number: int) -> None:
        if self._stopping:
            if number != self._stop_number or now_s - self._stopped_s >= self._terms.echo_s:
                self._kill_all(now_s, "asked to stop now")
            return
        self._stopping, self._wanted = True, None
        self._stop_number, self._stopped_s = number, now_s
        self._end_reload(0, "the server was asked to stop")
        self._actions.append(BeginDrain())
        deadline_s = now_s + self._terms.grace_s
        for generation in self._in(Phase.LIVE, Phase.RETIRING, Phase.STARTING):
            self._drain(now_s, generation, self._terms.drain_delay_s, deadline_s)
        for generation in self._in(Phase.COMPILING):
            self._kill(now_s, generation, "asked to stop before it was ready")

    def _note_reload(self, client: int) -> None:
        if self._stopping:
            self._refuse_reload(client, "the server is stopping")
        elif self._in(*_COMING):
            self._again = True
            self._actions.append(PostponeReload(client))
            self._tell("another reload follows: a generation is just getting ready, and may have read the flow before")
        elif self._wanted is None:  # else one is about to begin, and stands for both
            self._reloading = True
            self._wanted = self._terms.preload
            if self._free_block() is None:
                self._tell("the reload waits until an old generation has finished")

    def _note_waits(self, now_s: float, waiting: Generation, reason: str) -> None:
        waiting.waits = reason
        if self._in(Phase.LIVE):  # it ends: somebody serves, or waits already
            return
        self._tell(f"generation {waiting.number} waits, and answers /score with 400: {reason.strip()}")
        self._retry_s = self._terms.first_retry_s
        self._retry_after_s = now_s + self._retry_s
        self._retried_s = now_s

    def _note_ready(self, now_s: float, ready: Generation) -> None:
        if ready.phase is not Phase.STARTING:
            return
        ready.move(Phase.LIVE, now_s)
        self._has_served = True
        self._end_reload(ready.number, "")
        for old in self._in(Phase.LIVE):
            if old is not ready:
                old.move(Phase.RETIRING, now_s)
                old.deadline_s = now_s + self._terms.request_timeout_s
                self._actions.append(TellRetire(old.number, old.deadline_s))

    def _note_leader_exit(self, now_s: float, gone: Generation, how: str) -> None:
        gone.move(Phase.ORPHANED, now_s)
        if self._stopping or gone.deadline_s:
            return
        if gone.must_split:
            self._wanted = False
        elif gone.waits and self.waits:  # as it was before
            self._end_reload(gone.number, gone.waits.strip())
        elif self._in(Phase.LIVE):
            why = gone.message or gone.waits.strip() or how
            self._end_reload(gone.number, gone.detail or why)
            self._tell(f"generation {gone.number} failed ({why}); the one before goes on")
        elif self._has_served and gone.exit_code is None and not gone.message:
            self._note_death(now_s, gone, how)
        else:
            self._tell(f"generation {gone.number} failed: {gone.message or how}")
            self._exit(_known(gone.exit_code))

    def _note_death(self, now_s: float, gone: Generation, how: str) -> None:
        while self._deaths and now_s - self._deaths[0] > self._terms.window_s:
            self._deaths.popleft()
        self._deaths.append(now_s)
        self._tell(f"the leader of generation {gone.number} {how}; its workers died with it")
        if len(self._deaths) > self._terms.deaths:
            self._tell(f"{len(self._deaths)} leaders died within {self._terms.window_s:g} s")
            self._exit(CrashLoopError.exit_code)
            return
        if self._in(*_COMING):  # of a reload: it will take over
            return
        self._wanted = self._terms.preload
        if len(self._deaths) > 1:
            pause_s = self._terms.backoff_s * 2.0 ** (len(self._deaths) - 2)
            self._fork_after_s = now_s + min(pause_s, self._terms.longest_backoff_s)

    # -- what is due

    def _find_late(self, now_s: float) -> None:
        for generation in self._in(Phase.COMPILING):
            late_s = now_s - generation.since_s - self._terms.boot_timeout_s
            if late_s >= 0 and not generation.dumped:
                generation.dumped = True
                self._actions.append(Dump(generation.number))
            if late_s >= self._terms.dump_s:
                generation.message = f"the flow was not imported and compiled within {self._terms.boot_timeout_s:g} s"
                self._kill(now_s, generation, generation.message)
        for generation in self._in(Phase.STARTING):
            if now_s >= generation.since_s + self._terms.boot_timeout_s + self._terms.boot_late_s:
                generation.message = f"its workers were not ready within {self._terms.boot_timeout_s:g} s"
                self._kill(now_s, generation, generation.message)
        for generation in self._in(Phase.RETIRING, Phase.DRAINING):
            if now_s >= generation.deadline_s + self._terms.late_s:
                self._kill(now_s, generation, "did not finish by its deadline")

    def _try_again(self, now_s: float) -> None:
        """Fork a leader that may find what the one that serves waits for."""
        busy = self._stopping or self._wanted is not None or self._in(*_COMING)
        if busy or not self.waits or now_s < self._retry_after_s:
            return
        self._wanted = self._terms.preload
        self._retry_s = min(2 * self._retry_s, self._terms.longest_retry_s)
        self._retried_s, self._retry_after_s = now_s, now_s + self._retry_s

    def _follow_up(self) -> None:
        """Begin the reload that was asked for while another was in progress."""
        if self._again and self._wanted is None and not self._stopping and not self._in(*_COMING):
            self._again = False
            self._reloading = True
            self._wanted = self._terms.preload

    def _fork(self, now_s: float) -> None:
        block = self._free_block()
        if self._wanted is None or block is None or now_s < self._fork_after_s:
            return
        self._born += 1
        self._all[self._born] = Generation(self._born, block, now_s)
        self._actions.append(Fork(self._born, block, self._wanted))
        self._wanted = None

    # -- steps

    def _drain(self, now_s: float, generation: Generation, delay_s: float, deadline_s: float) -> None:
        generation.move(Phase.DRAINING, now_s)
        generation.deadline_s = min(generation.deadline_s or deadline_s, deadline_s)
        self._actions.append(TellDrain(generation.number, delay_s, generation.deadline_s))

    def _kill(self, now_s: float, generation: Generation, reason: str) -> None:
        generation.move(Phase.KILLED, now_s)
        self._actions.append(Kill(generation.number, reason))

    def _kill_all(self, now_s: float, reason: str) -> None:
        for generation in self._in(*_COMING, Phase.LIVE, Phase.RETIRING, Phase.DRAINING):
            self._kill(now_s, generation, reason)

    def _refuse_reload(self, client: int, reason: str) -> None:
        self._tell(f"no reload: {reason}")
        if client:
            self._actions.append(RefuseReload(client, reason))

    def _end_reload(self, generation: int, failure: str) -> None:
        if self._reloading:
            self._reloading = False
            self._actions.append(EndReload(generation, failure))

    def _exit(self, exit_code: int) -> None:
        self._ended = True
        self._actions.append(Exit(exit_code))

    def _tell(self, text: str) -> None:
        self._actions.append(Tell(text))

    def _in(self, *phases: Phase) -> list[Generation]:
        return [generation for generation in self._all.values() if generation.phase in phases]

    def _free_block(self) -> int | None:
        taken = {generation.block for generation in self._all.values()}
        return next((block for block in range(self._terms.blocks) if block not in taken), None)


def _known(exit_code: int | None) -> int:
    """The exit code to pass on; a leader that ended in any other way could not boot."""
    known = {error.exit_code for error in (ConfigError, CompileError, WorkerBootError, PortError, CrashLoopError)}
    return exit_code if exit_code in known else WorkerBootError.exit_code
