"""The leader of one generation: compiles the flow once, forks the workers, keeps their number, ends with them.

Synchronous, one thread. What to do is decided by the roster; here it is done.
"""

from __future__ import annotations

import gc
import logging
import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

import msgspec

from pfserve.config import ServeConfig
from pfserve.errors import BootError, CompileError, WorkerBootError
from pfserve.leader import protocol as p
from pfserve.leader.intake import native_threads, take_in, why_unshareable
from pfserve.leader.roster import Patience, Phase, Roster
from pfserve.plan import Plan
from pfserve.region import Page, Region
from pfserve.worker.bell import Bell
from pfserve.worker.channel import Channel
from pfserve.worker.duty import Duty
from pfserve.worker.inbox import Inbox, hand_over
from pfserve.worker.lifeline import STACK_SIGNAL, Closable, fork_on_channel, why_not_forked
from pfserve.worker.mailbox import Mailbox
from pfserve.worker.messages import BootFailed, Compiled, Drain, Ready, Replace, Retire, TryAgain, Unshareable, Waits

if TYPE_CHECKING:
    from ssl import SSLContext

_log = logging.getLogger("pfserve")
_NS = 1_000_000_000

Load = Callable[[ServeConfig], Plan]
Work = Callable[[Duty, Plan], int]


class Post(msgspec.Struct, frozen=True):
    """What a leader is given at its birth."""

    config: ServeConfig
    region: Region
    listeners: tuple[socket.socket, ...]
    inboxes: Mapping[int, Inbox]  # of all seats of the instance
    channel: Channel  # to the master
    generation: int
    seats: Sequence[int]
    preload: bool  # False: compile in each worker
    may_wait: bool = False  # serve the reason why the flow cannot be compiled yet; nobody else serves


def run_leader(post: Post, load: Load, work: Work) -> int:
    """Lead a generation until it has ended; give the exit code.

    ``load`` imports and compiles the flow; ``work`` is the life of a worker, run in its own process.
    """
    try:
        tls = _load_tls(post.config)
        plan = _compile(post, load) if post.preload else None
    except _CannotShare as reason:
        post.channel.send(Unshareable(str(reason)))
        return 0
    except BootError as problem:
        return _fail(post.channel, problem.exit_code, str(problem))
    if plan is not None and plan.waiting:
        post.channel.send(Waits(plan.waiting.reason))
        if not post.may_wait:
            return 0
    post.channel.send(_compiled(plan))
    _freeze_heap()
    return Leader(post, plan, load, work, tls).run()


def _compiled(plan: Plan | None) -> Compiled:
    return Compiled(plan.flow_name, plan.kind, plan.fingerprint, len(plan.steps)) if plan else Compiled()


def _load_tls(config: ServeConfig) -> SSLContext | None:
    if not (config.tls_cert or config.tls_key):
        return None
    from pfserve.config.tls import load_tls  # the master imports this module, and has no use for OpenSSL

    return load_tls(config.tls_cert, config.tls_key, config.origins)


class _CannotShare(Exception):
    """User code left something that a fork would break."""


def _compile(post: Post, load: Load) -> Plan:
    started_s = time.monotonic()
    plan = take_in(lambda: load(post.config), post.config.flow)
    if reason := why_unshareable():
        raise _CannotShare(reason)
    if native := native_threads():
        _log.info(
            "generation %d: %d native threads beside Python's own (as numpy keeps); harmless", post.generation, native
        )
    _tell_plan(post, plan, time.monotonic() - started_s)
    return plan


def _tell_plan(post: Post, plan: Plan, took_s: float) -> None:
    for line in plan.warnings:
        _log.warning("%s", line)
    if plan.waiting:
        return
    _log.info(
        "generation %d: %s flow %r from %s, %d steps, compiled in %.3f s",
        *(post.generation, plan.kind, plan.flow_name, post.config.flow, len(plan.steps), took_s),
    )


def _freeze_heap() -> None:
    """Keep the collector from writing to the pages that the workers are about to share."""
    gc.collect()
    gc.freeze()


def _fail(channel: Channel, exit_code: int, message: str) -> int:
    detail = message
    if exit_code == CompileError.exit_code:
        print(f"pfserve: error: the flow does not compile\n{message}", file=sys.stderr, flush=True)
        detail = f"the flow does not compile\n{message}"
        first, *more = message.splitlines() or [""]
        message = f"the flow does not compile: {first}" + (f" (and {len(more)} more)" if more else "")
    channel.send(BootFailed(exit_code, message, detail))
    return exit_code


class _Hand:
    """A worker of ours: its process and our end of its channel."""

    def __init__(self, seat: int, pid: int, channel: Channel) -> None:
        self.seat = seat
        self.pid = pid
        self.channel = channel


class Leader:
    """The poll loop around the roster."""

    def __init__(self, post: Post, plan: Plan | None, load: Load, work: Work, tls: SSLContext | None) -> None:
        config = post.config
        patience = Patience(config.boot_timeout_s, config.stuck_after_s, config.request_timeout_s)
        self._post = post
        self._plan = plan
        self._load = load
        self._work = work
        self._tls = tls
        self._roster = Roster(post.seats, config.workers, patience)
        self._bell = Bell([signal.SIGCHLD])
        self._mailboxes = {seat: Mailbox() for seat in post.seats}
        self._hands: dict[int, _Hand] = {}  # by seat
        self._events: list[p.Event] = []
        self._announced = False  # that all workers were ready once
        self._exit_code: int | None = None

    def run(self) -> int:
        """Fork, watch and replace workers until the roster halts; give the exit code."""
        self._bell.open()
        self._bell.watch(self._post.channel)
        while (exit_code := self._turn()) is None:
            if not self._events:
                self._bell.wait(self._roster.wake_after_s(time.monotonic()))
        return exit_code

    def _turn(self) -> int | None:
        self._hear_master()
        self._hear_workers()
        self._reap()
        events, self._events = self._events, []
        for action in self._roster.decide(time.monotonic(), events):
            self._do(action)
        self._empty_dead_inboxes()
        return self._exit_code

    # -- what happens

    def _hear_master(self) -> None:
        for message in self._post.channel.receive():
            match message:
                case Drain(delay_s, deadline_ns):
                    self._events.append(p.AskedDrain(delay_s, deadline_ns / _NS))
                case Retire(deadline_ns):
                    self._events.append(p.AskedRetire(deadline_ns / _NS))
        if self._post.channel.closed:  # the master is gone, and this process about to be killed
            os._exit(0)

    def _hear_workers(self) -> None:
        for seat, hand in self._hands.items():
            self._hear(hand)
            self._events.append(p.Beat(seat, self._post.region.beats[seat] / _NS))
            if hand.channel.closed:
                self._bell.forget(hand.channel)

    def _hear(self, hand: _Hand) -> None:
        for message in hand.channel.receive():
            match message:
                case Ready():
                    _log.info("%s: ready", self._name(hand))
                    self._events.append(p.BecameReady(hand.seat))
                case BootFailed(exit_code, text):
                    if self._announced:  # else it ends the generation, which tells it
                        _log.error("%s: cannot get ready: %s", self._name(hand), text)
                    self._events.append(p.FailedToBoot(hand.seat, exit_code, text))
                case Waits() | TryAgain():
                    self._post.channel.send(message)
                case Replace(reason, is_routine):
                    self._events.append(p.AskedReplacement(hand.seat, reason, is_routine))

    def _reap(self) -> None:
        """Take the exit of every child. Those that user code forked on import are none of ours."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            for hand in [hand for hand in self._hands.values() if hand.pid == pid]:
                self._bury(hand, describe_exit(status))

    def _bury(self, hand: _Hand, how: str) -> None:
        self._hear(hand)  # its last words come before its death
        lost = self._post.region.tickets[hand.seat]
        phase = self._roster.phase(hand.seat)
        level = logging.INFO if phase is Phase.LEAVING and not lost else logging.WARNING
        _log.log(level, "%s (%s): %s; %d requests lost", self._name(hand), phase.value, how, lost)
        self._bell.forget(hand.channel)
        hand.channel.close()
        del self._hands[hand.seat]
        self._page(hand.seat).count_departure(self._roster.departure(hand.seat))
        self._post.region.vacate(hand.seat)
        self._mailboxes[hand.seat].empty()
        self._events.append(p.Exited(hand.seat, how))

    # -- what is to be done

    def _do(self, action: p.Action) -> None:
        match action:
            case p.Spawn(seat):
                self._spawn(seat)
            case p.Dump() | p.Kill() | p.TellDrain() | p.TellRetire() if action.seat not in self._hands:
                pass  # decided on what came before its end, which has come in the same turn
            case p.Dump(seat, reason):
                _log.error("%s: %s; its stacks follow", self._name(self._hands[seat]), reason)
                os.kill(self._hands[seat].pid, STACK_SIGNAL)
            case p.Kill(seat, reason):
                _log.warning("%s: killed: %s", self._name(self._hands[seat]), reason)
                os.kill(self._hands[seat].pid, signal.SIGKILL)
            case p.TellDrain(seat, delay_s, deadline_s, reason):
                _log.info("%s: drains: %s", self._name(self._hands[seat]), reason)
                self._hands[seat].channel.send(Drain(delay_s, int(deadline_s * _NS)))
            case p.TellRetire(seat, deadline_s, reason):
                _log.info("%s: retires: %s", self._name(self._hands[seat]), reason)
                self._hands[seat].channel.send(Retire(int(deadline_s * _NS)))
            case p.Announce():
                self._announced = True
                self._post.channel.send(Ready())
            case p.Halt(exit_code, message):
                self._halt(exit_code, message)

    def _empty_dead_inboxes(self) -> None:
        """Connections that wait for a worker that is gone go to the others, as soon as there are others."""
        empty = [seat for seat in self._post.seats if seat not in self._hands]
        hand_over(empty, self._post.region, self._post.inboxes, time.monotonic_ns())

    def _spawn(self, seat: int) -> None:
        region = self._post.region
        region.occupy(seat, self._post.generation)
        others = [hand.channel for hand in self._hands.values()]
        not_yours: list[Closable] = [self._post.channel, self._bell, *others]
        try:
            pid, ours = fork_on_channel(lambda theirs: self._live(seat, theirs), not_yours=not_yours)
        except OSError as problem:
            region.vacate(seat)
            self._events.append(p.Exited(seat, why_not_forked(problem)))
            return
        region.pids[seat] = pid
        self._page(seat).count_start()
        self._hands[seat] = _Hand(seat, pid, ours)
        self._bell.watch(ours)

    def _live(self, seat: int, channel: Channel) -> int:
        """The life of a worker. Runs in its process."""
        post = self._post
        post.region.pids[seat] = os.getpid()  # the leader writes it too: whoever comes first
        try:
            plan = self._plan or take_in(lambda: self._load(post.config), post.config.flow)
            if self._plan is None and plan.waiting:
                channel.send(Waits(plan.waiting.reason))
                if not post.may_wait:
                    raise WorkerBootError(plan.waiting.reason)
            duty = Duty(
                post.config, post.region, seat, post.listeners, post.inboxes, self._mailboxes, channel, self._tls
            )
            return self._work(duty, plan)
        except BootError as problem:
            channel.send(BootFailed(problem.exit_code, str(problem)))
            return problem.exit_code
        except Exception as bug:
            _log.critical("seat %d (pid %d): a worker ends by a bug", seat, os.getpid(), exc_info=True)
            channel.send(BootFailed(WorkerBootError.exit_code, f"{type(bug).__name__}: {bug}"))
            return WorkerBootError.exit_code

    def _halt(self, exit_code: int, message: str) -> None:
        for hand in self._hands.values():
            os.kill(hand.pid, signal.SIGKILL)
        for hand in list(self._hands.values()):
            os.waitpid(hand.pid, 0)
            self._post.region.vacate(hand.seat)
        self._exit_code = exit_code
        if exit_code:
            _fail(self._post.channel, exit_code, message)

    def _page(self, seat: int) -> Page:
        return self._post.region.ledger.pages[seat]

    def _name(self, hand: _Hand) -> str:
        return f"generation {self._post.generation}, seat {hand.seat}, worker pid {hand.pid}"


def describe_exit(status: int) -> str:
    """A wait status in words."""
    if os.WIFSIGNALED(status):
        return f"was killed by {_signal_name(os.WTERMSIG(status))}"
    return f"exited with code {os.waitstatus_to_exitcode(status)}"


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:  # most real-time signals have none
        return f"signal {number}"
