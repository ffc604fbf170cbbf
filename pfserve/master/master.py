"""The master: one process for the life of the instance. Binds, forks leaders, reaps, obeys signals, and ends last.

Synchronous, one thread. It never imports user code, and nothing that brings an event loop or a client: its leaders do,
after the fork. What to do is decided by :class:`~pfserve.master.generations.Generations`; here it is done.
"""

from __future__ import annotations

import logging
import os
import signal
import socket
import time
from collections.abc import Callable
from typing import NamedTuple

import msgspec

from pfserve import __version__
from pfserve.config import ServeConfig
from pfserve.leader import Post, describe_exit
from pfserve.master import protocol as p
from pfserve.master.control import Control
from pfserve.master.generations import Generations, Phase, Terms
from pfserve.master.kin import children, end_all
from pfserve.master.listeners import port_of, url_of
from pfserve.master.reign import Reign, is_gone
from pfserve.master.scribe import Scribe
from pfserve.master.watchman import Watchman
from pfserve.region import Departure, Fact, PlanFacts, Region, SeatState
from pfserve.region.watch import HeldLockWatch
from pfserve.telemetry.admin import Admin
from pfserve.telemetry.vitals import Vitals
from pfserve.worker.bell import Bell
from pfserve.worker.channel import Channel
from pfserve.worker.inbox import Inbox, hand_over
from pfserve.worker.lifeline import (
    STACK_SIGNAL,
    Closable,
    adopt_orphans,
    fork_on_channel,
    why_not_forked,
)
from pfserve.worker.messages import Compiled, Drain, Ready, Retire

_log = logging.getLogger("pfserve")
_NS = 1_000_000_000

BLOCKS = 3  # of seats: a live generation, a new one, and one that still drains
SPARE_SEATS = 2  # of a block: replacements that get ready beside the workers they replace
OWN_DESCRIPTORS = 80
BEAT_S = 0.5
HELD_TOO_LONG_S = 1.0

BootLeader = Callable[[Post], int]


class Sockets(NamedTuple):
    """What the master has bound."""

    main: tuple[socket.socket, ...]
    admin: tuple[socket.socket, ...]


def block_size(config: ServeConfig) -> int:
    """How many seats a generation has."""
    return config.workers + SPARE_SEATS


def descriptors_needed(workers: int) -> int:
    """How many descriptors a worker must be allowed, the hungriest of all processes.

    It holds both ends of an inbox for each seat of the instance, those of a mailbox for each of its generation, its
    loop's and the standard ones. What is left is for connections, and for what the flow opens.
    """
    seats = workers + SPARE_SEATS
    return 2 * BLOCKS * seats + 2 * seats + workers + OWN_DESCRIPTORS


class Master:
    """The poll loop around the generations."""

    def __init__(
        self,
        config: ServeConfig,
        sockets: Sockets,
        region: Region,
        boot_leader: BootLeader,
        started_s: float,
    ) -> None:
        self._config = config
        self._listeners = sockets.main
        self._admin_listeners = sockets.admin
        self._region = region
        self._inboxes = {seat: Inbox() for seat in range(region.seats)}
        self._boot_leader = boot_leader
        self._started_s = started_s
        self._generations = Generations(
            Terms(
                boot_timeout_s=config.boot_timeout_s,
                request_timeout_s=config.request_timeout_s,
                drain_delay_s=config.drain_delay_s,
                grace_s=config.grace_s,
                preload=config.preload,
                blocks=BLOCKS,
            )
        )
        self._bell = Bell([signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD])
        self._reigns: dict[int, Reign] = {}  # by generation
        self._scribe = Scribe(region)
        self._watchman = Watchman(config, region, sockets.admin)
        self._control = Control(self._bell, self._note_reload_asked, self._give_status)
        self._lock_watch = HeldLockWatch(HELD_TOO_LONG_S)
        self._born_with: set[int] = set()  # children that this process had before it was the master
        self._events: list[p.Event] = []
        self._exit_code: int | None = None

    def run(self) -> int:
        """Keep a generation serving until told to stop, or until that is hopeless; give the exit code."""
        self._prepare()
        while (exit_code := self._turn()) is None:
            if not self._events:
                self._sleep()
        self._end()
        _log.info("stopped with exit code %d", exit_code)
        return exit_code

    def _turn(self) -> int | None:
        self._beat()
        self._hear_leaders()
        self._reap()
        self._sweep()
        self._hand_over()
        events, self._events = self._events, []
        for action in self._generations.decide(time.monotonic(), events):
            self._do(action)
        self._region.waiting = self._generations.waits
        self._scribe.note_turn(time.monotonic_ns(), self._seen_generations())
        self._watchman.turn(time.monotonic(), [self._bell, self._control, *self._listeners, *self._channels()])
        return self._exit_code

    def _prepare(self) -> None:
        self._born_with = children()
        adopt_orphans()
        self._region.lock.on_stuck = self._kill_lock_holder
        self._bell.open()
        self._scribe.begin(self._started_s, (port_of(self._listeners), port_of(self._admin_listeners)))
        self._control.open(self._config.pidfile, self._config.runtime_folder, port_of(self._listeners))
        for listener in self._admin_listeners:
            _log.info("admin port: %s", url_of(listener))

    def _sleep(self) -> None:
        now_s = time.monotonic()
        timeout_s = min(BEAT_S, self._generations.wake_after_s(now_s), self._watchman.wake_after_s(now_s))
        for number in self._bell.wait(timeout_s):
            if number in (signal.SIGTERM, signal.SIGINT):
                self._events.append(p.AskedStop(number))
            elif number == signal.SIGHUP:
                self._events.append(p.AskedReload())

        self._control.turn()

    # -- what happens

    def _note_reload_asked(self, client: int) -> None:
        self._events.append(p.AskedReload(client))

    def _give_status(self) -> bytes:
        vitals = Vitals(self._region, self._config.stuck_after_s)
        return Admin(self._config, self._region, vitals, __version__).status()

    def _seen_generations(self) -> list[tuple[int, int, Phase, int]]:
        reigns = self._reigns
        known = [one for one in self._generations.all() if one[0] in reigns]
        return [(number, block, phase, reigns[number].pid) for number, block, phase in known]

    def _channels(self) -> list[Channel]:
        return [reign.channel for reign in self._reigns.values() if reign.channel is not None]

    def _beat(self) -> None:
        self._region.master_beat_ns = time.monotonic_ns()
        lock = self._region.lock
        if holder := self._lock_watch.observe(time.monotonic(), lock.holder(), lock.turns):
            self._kill_lock_holder(holder)

    def _kill_lock_holder(self, pid: int) -> None:
        """Everybody waits for a process that holds the region's lock and does not run. The kernel frees it by death."""
        if pid == os.getpid():
            return
        _log.error("process %d has held the region's lock for more than %g s; killed", pid, HELD_TOO_LONG_S)
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:  # the lock is free already
            return

    def _hear_leaders(self) -> None:
        for generation, reign in self._reigns.items():
            channel = reign.channel
            if channel is None:
                continue
            for message in channel.receive():
                if isinstance(message, Compiled):
                    self._scribe.note_compiled(reign.block, PlanFacts(*msgspec.structs.astuple(message)))
                elif isinstance(message, Ready):
                    self._region.serving_generation = generation
                    self._tell_ready(generation)
                event = p.event_of(generation, message)
                if event is not None:
                    self._events.append(event)
            if channel.closed:
                self._hang_up(reign)

    def _hang_up(self, reign: Reign) -> None:
        if reign.channel is not None:
            self._bell.forget(reign.channel)
            reign.channel.close()
            reign.channel = None

    def _reap(self) -> None:
        """Take the exit of every child: leaders, orphaned workers, and orphans of user code that nobody knows."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            self._born_with.discard(pid)
            self._note_exit(pid, status)

    def _note_exit(self, pid: int, status: int) -> None:
        self._watchman.note_exit(pid, status)
        for reign in self._reigns.values():
            if reign.pid == pid:
                self._hear_leaders()  # its last words come before its death
                self._hang_up(reign)
                reign.pid = 0
                if self._generations.phase(reign.generation) is Phase.LIVE:
                    self._scribe.count(Fact.LEADERS_LOST)
                self._events.append(p.LeaderExited(reign.generation, describe_exit(status)))
        for seat in range(self._region.seats):
            if self._region.pids[seat] == pid:
                self._vacate(seat)

    def _sweep(self) -> None:
        """Empty the seats of generations that have lost their leader; a generation without any is over."""
        for reign in [reign for reign in self._reigns.values() if not reign.pid]:
            for seat in reign.seats:
                if self._region.states[seat] != SeatState.EMPTY and is_gone(self._region.pids[seat]):
                    self._vacate(seat)
            if all(self._region.states[seat] == SeatState.EMPTY for seat in reign.seats):
                del self._reigns[reign.generation]
                _log.info("generation %d: ended", reign.generation)
                self._events.append(p.Emptied(reign.generation))

    def _hand_over(self) -> None:
        """Pass on what waits in inboxes that no leader looks after: their generation is over, or about to be."""
        led = {seat for reign in self._reigns.values() if reign.pid for seat in reign.seats}
        empty = [seat for seat in self._inboxes if seat not in led and self._region.states[seat] == SeatState.EMPTY]
        hand_over(empty, self._region, self._inboxes, time.monotonic_ns())

    def _vacate(self, seat: int) -> None:
        if lost := self._region.tickets[seat]:
            _log.warning("seat %d: %d requests lost with worker pid %d", seat, lost, self._region.pids[seat])
        if self._region.states[seat] != SeatState.EMPTY:
            self._region.ledger.pages[seat].count_departure(Departure.CRASHED)
        self._region.vacate(seat)

    def _tell_ready(self, generation: int) -> None:
        config = self._config
        self._scribe.note_ready(generation, time.monotonic() - self._reigns[generation].started_s)
        _log.info(
            "generation %d: %d workers ready after %.2f s; serving on %s",
            generation,
            config.workers,
            time.monotonic() - self._reigns[generation].started_s,
            " and ".join(url_of(listener, "https" if config.tls_cert else "http") for listener in self._listeners),
        )

    # -- what is to be done

    def _do(self, action: p.Action) -> None:
        match action:
            case p.Fork(generation, block, preload):
                self._fork(generation, block, preload)
            case p.BeginDrain():
                self._region.draining = True
                _log.info("asked to stop: draining, %d requests inside", sum(self._region.tickets))
            case p.TellDrain(generation, delay_s, deadline_s):
                self._send(generation, Drain(delay_s, int(deadline_s * _NS)))
            case p.TellRetire(generation, deadline_s):
                self._send(generation, Retire(int(deadline_s * _NS)))
            case p.Dump(generation):
                _log.error("%s: still compiling; its stacks follow", self._name(generation))
                self._signal(generation, STACK_SIGNAL)
            case p.Kill(generation, reason):
                _log.warning("%s: killed: %s", self._name(generation), reason)
                self._signal(generation, signal.SIGKILL)
            case p.Tell(text):
                _log.warning("%s", text)
                self._control.tell(text)
            case p.RefuseReload() | p.PostponeReload() | p.EndReload():
                self._answer_reload(action)
            case p.Exit(exit_code):
                self._exit_code = exit_code

    def _fork(self, generation: int, block: int, preload: bool) -> None:
        self._control.begin_reload()
        size = block_size(self._config)
        seats = range(block * size, (block + 1) * size)
        may_wait = not self._generations.serves
        others: list[Closable] = [self._bell, self._control, self._watchman, *self._admin_listeners, *self._channels()]
        started_s = time.monotonic() if generation > 1 else self._started_s
        self._reigns[generation] = reign = Reign(generation, block, seats, started_s)

        def lead(channel: Channel) -> int:
            config, region, listeners, inboxes = self._config, self._region, self._listeners, self._inboxes
            return self._lead(
                Post(config, region, listeners, inboxes, channel, generation, seats, preload, may_wait=may_wait)
            )

        try:
            reign.pid, reign.channel = fork_on_channel(lead, not_yours=others)
        except OSError as problem:
            self._events.append(p.LeaderExited(generation, why_not_forked(problem)))
            return
        self._bell.watch(reign.channel)
        _log.info("%s: started", self._name(generation))

    def _answer_reload(self, action: p.RefuseReload | p.PostponeReload | p.EndReload) -> None:
        match action:
            case p.RefuseReload(client, reason):
                self._control.refuse(client, reason)
            case p.PostponeReload(client):
                self._control.postpone(client)
            case p.EndReload(generation, failure):
                self._scribe.count(Fact.RELOADS_FAILED if failure else Fact.RELOADS_OK)
                if not generation:  # nor will there be another
                    self._control.begin_reload()
                self._control.end_reload(ok=not failure, message=failure or f"generation {generation} serves")

    def _lead(self, post: Post) -> int:
        """The life of a leader. Runs in its process."""
        self._region.lock.on_stuck = None  # the master kills, nobody else
        return self._boot_leader(post)

    def _send(self, generation: int, order: Drain | Retire) -> None:
        reign = self._reigns.get(generation)  # it may have ended in this very turn
        if reign is not None and reign.channel is not None:
            reign.channel.send(order)

    def _signal(self, generation: int, number: int) -> None:
        reign = self._reigns.get(generation)
        if reign is not None and reign.pid:
            os.kill(reign.pid, number)

    def _name(self, generation: int) -> str:
        reign = self._reigns.get(generation)
        return f"generation {generation}, leader pid {reign.pid if reign is not None else 0}"

    def _end(self) -> None:
        """Leave nothing behind: no process, no bound port."""
        self._control.remove()
        ours = {self._watchman.pid, *self._region.pids, *(reign.pid for reign in self._reigns.values())}
        if strays := end_all(spare=self._born_with) - ours:
            _log.warning("killed %d processes that the flow's code had left behind", len(strays))
        for listener in (*self._listeners, *self._admin_listeners):
            listener.close()
