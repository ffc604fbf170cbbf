"""What is done to the server, and when: a seeded random schedule."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import time
from dataclasses import dataclass, field
from pathlib import Path

from process.faults import flow as flows
from process.faults.kernel import children, connected_to, parent, state
from process.faults.server import Server
from process.faults.steps import STEPS, Trap

LEADER_DEATHS_A_MINUTE = 4  # the sixth is a crash loop, by design
WORKER_DEATHS_IN_30_S = 10
CAUGHT_WITHIN_S = 2.0
UNTIL_REPLACED_S = 6.0  # twice the --stuck-after-s of the server
MISSED = -1  # the step of an event that nobody came by
IN_A_HAND_OVER = " in a hand-over"

WEIGHTS = {
    "kill worker": 6,
    "kill all workers": 1,
    "kill leader": 2,
    "kill new leader": 2,
    "kill monitor": 2,
    "stop worker": 3,
    "stop worker until replaced": 1,
    "stop leader": 1,
    "stop monitor": 1,
    "stop master": 1,
    "reload": 2,
    "reload a bad flow": 2,
    "reload while one is stopped": 2,
    f"kill worker{IN_A_HAND_OVER}": 5,
    f"kill other worker{IN_A_HAND_OVER}": 4,
    f"kill leader{IN_A_HAND_OVER}": 2,
    f"stop worker{IN_A_HAND_OVER}": 3,
    f"stop worker until replaced{IN_A_HAND_OVER}": 1,
    f"reload{IN_A_HAND_OVER}": 2,
}

Pids = tuple[int, ...]


@dataclass
class Event:
    """One thing done. ``pids`` are the processes that it killed; ``until_s`` is when its effects on them were over.

    ``held`` are the clients' ends of the connections that a process had when it was stopped for good, by its pid: the
    kernel's word, taken while the process could neither accept nor pass on.
    """

    at_s: float
    what: str
    step: int | None = None  # of a hand-over, at which a worker was stopped
    pids: Pids = ()
    held: dict[int, frozenset[str]] = field(default_factory=dict)
    until_s: float = 0.0
    recovered_s: float = 0.0  # how long until all was as before
    code: int | None = None  # with which a reload ended


@dataclass
class Faults:
    """Does things to the server, one after the other, and waits until it has recovered from each."""

    server: Server
    flow: Path
    chance: random.Random
    events: list[Event] = field(default_factory=list)
    _event: Event = field(default_factory=lambda: Event(0.0, "nothing"))  # the one that is being done
    _decks: dict[str, list[int]] = field(default_factory=dict)  # by event, the steps that are still to come

    async def run(self, duration_s: float) -> None:
        end_s = time.monotonic() + duration_s
        while time.monotonic() < end_s:
            await asyncio.sleep(self.chance.uniform(0.1, 0.8))
            event = await self._one(self._chosen())
            self.events.append(event)
            await self._recover(event)

    def _chosen(self) -> str:
        weights = dict(WEIGHTS)
        if self._died("leader", 60) >= LEADER_DEATHS_A_MINUTE:
            weights = {what: weight for what, weight in weights.items() if "leader" not in what}
        if self._died("worker", 30) >= WORKER_DEATHS_IN_30_S:
            weights = {what: weight for what, weight in weights.items() if not _kills(what, "worker")}
        return self.chance.choices(list(weights), list(weights.values()))[0]

    def _died(self, who: str, window_s: float) -> int:
        """How often some were killed lately."""
        return sum(_kills(event.what, who) and time.monotonic() - event.at_s < window_s for event in self.events)

    async def _one(self, what: str) -> Event:
        event = self._event = Event(time.monotonic(), what)
        if what.endswith(IN_A_HAND_OVER):
            event.pids = await self._in_a_hand_over(event)
        else:
            event.pids = await getattr(self, "_" + what.replace(" ", "_"))()
        event.until_s = time.monotonic()
        return event

    async def _kill_worker(self) -> Pids:
        workers = children(self.server.leader())
        return self._kill(self.chance.choice(workers)) if workers else ()

    async def _kill_all_workers(self) -> Pids:
        return tuple(pid for worker in children(self.server.leader()) for pid in self._kill(worker))

    async def _kill_leader(self) -> Pids:
        return self._kill_with_children(self.server.leader())

    async def _kill_new_leader(self) -> Pids:
        """The one that gets ready for a reload; the reload fails, if it was not ready."""
        old = set(children(self.server.master))
        reloading = asyncio.create_task(self.server.reload())
        while not (new := set(children(self.server.master)) - old) and not reloading.done():
            await asyncio.sleep(0.005)
        await asyncio.sleep(self.chance.uniform(0.0, 0.6))
        killed = self._kill_with_children(*new)
        self._event.code = await reloading
        return killed

    async def _kill_monitor(self) -> Pids:
        return self._kill((await self.server.status())["monitor"]["pid"])

    async def _stop_worker(self) -> Pids:
        return await self._stop(children(self.server.leader()), self.chance.uniform(0.1, 1.5))

    async def _stop_worker_until_replaced(self) -> Pids:
        return await self._stop(children(self.server.leader()), UNTIL_REPLACED_S)

    async def _stop_leader(self) -> Pids:
        await self._stop([self.server.leader()], self.chance.uniform(0.1, 2.0))
        return ()

    async def _stop_monitor(self) -> Pids:
        await self._stop([(await self.server.status())["monitor"]["pid"]], self.chance.uniform(0.1, 1.0))
        return ()

    async def _stop_master(self) -> Pids:
        await self._stop([self.server.master], self.chance.uniform(0.1, 2.0))
        return ()

    async def _reload(self) -> Pids:
        self._event.code = await self.server.reload()
        assert self._event.code == 0, "a reload of a good flow failed"
        return ()

    async def _reload_while_one_is_stopped(self) -> Pids:
        victims = [self.server.master, self.server.leader(), *children(self.server.leader())]
        stopped = asyncio.create_task(self._stop(victims, self.chance.uniform(0.1, 2.0)))
        await self._reload()
        return await stopped

    async def _reload_a_bad_flow(self) -> Pids:
        flows.break_it(self.flow)
        self._event.code = await self.server.reload()
        flows.mend(self.flow)
        assert self._event.code == 1, "a reload of a broken flow was no failure"
        return ()

    async def _in_a_hand_over(self, event: Event) -> Pids:
        """Stop a worker between two steps of a hand-over; do something to it or to another, and let it go on."""
        deck = self._decks.setdefault(event.what, [])
        if not deck:
            deck += self.chance.sample(range(len(STEPS)), len(STEPS))
        step = deck.pop()
        caught = await Trap(self.flow).catch(step, CAUGHT_WITHIN_S)
        event.at_s, event.step = time.monotonic(), step if caught else MISSED
        if event.what.startswith("reload") and not caught:
            return await self._reload()
        if not caught:
            return ()
        self._pause(caught)  # to see what it holds
        what = event.what.removesuffix(IN_A_HAND_OVER).replace(" ", "_")
        killed: Pids = await getattr(self, f"_{what}_beside")(caught)
        if caught not in killed and not self._go_on(caught):
            killed = (*killed, caught)
        return killed

    async def _kill_worker_beside(self, caught: int) -> Pids:
        return self._kill(caught)

    async def _kill_other_worker_beside(self, caught: int) -> Pids:
        others = [worker for worker in children(parent(caught)) if worker != caught]
        killed = self._kill(others[0]) if others else ()
        await asyncio.sleep(self.chance.uniform(0.0, 0.3))
        return killed

    async def _kill_leader_beside(self, caught: int) -> Pids:
        return await self._kill_leader() if parent(caught) == self.server.leader() else ()

    async def _stop_worker_beside(self, caught: int) -> Pids:
        await asyncio.sleep(self.chance.uniform(0.1, 1.5))
        return ()

    async def _stop_worker_until_replaced_beside(self, caught: int) -> Pids:
        await asyncio.sleep(UNTIL_REPLACED_S)
        return ()

    async def _reload_beside(self, caught: int) -> Pids:
        return await self._reload()

    def _pause(self, pid: int) -> bool:
        """Stop it, and see what it holds. False if it has gone by itself."""
        try:
            os.kill(pid, signal.SIGSTOP)
        except ProcessLookupError:
            return False
        while state(pid) not in ("T", "Z", ""):
            time.sleep(0.0002)
        self._event.held[pid] = connected_to(pid)
        return True

    def _kill(self, pid: int) -> Pids:
        if not self._pause(pid):
            return ()
        os.kill(pid, signal.SIGKILL)
        return (pid,)

    def _kill_with_children(self, leader: int = 0) -> Pids:
        workers = [worker for worker in children(leader) if self._pause(worker)]  # they die with it
        return (*self._kill(leader), *workers) if leader else ()

    async def _stop(self, pids: list[int], for_s: float) -> Pids:
        """Stop one of the processes for a while; give it if it did not come back: the server has replaced it."""
        pid = self.chance.choice(pids or [0])
        if not pid or not self._pause(pid):
            return ()
        await asyncio.sleep(for_s)
        return () if self._go_on(pid) else (pid,)

    def _go_on(self, pid: int) -> bool:
        """Let it go on; whether it is still there."""
        try:
            os.kill(pid, signal.SIGCONT)
        except ProcessLookupError:
            return False
        return True

    async def _recover(self, event: Event) -> None:
        """Wait until two workers of one generation serve, and a monitor watches them."""
        deadline_s = time.monotonic() + 30
        while True:
            document = await self.server.status()
            live = [
                w for w in document["workers"] if w["state"] == "live" and w["generation"] == document["generation"]
            ]
            getting_ready = [g for g in document["generations"] if g["state"] in ("compiling", "starting")]
            gone = {w["pid"] for w in document["workers"]}.isdisjoint(event.pids)
            if document["state"] == "ready" and len(live) >= 2 and not getting_ready and gone:
                event.recovered_s = time.monotonic() - event.until_s
                return
            assert time.monotonic() < deadline_s, f"not recovered from {event}: {document}"
            await asyncio.sleep(0.05)


def _kills(what: str, who: str) -> bool:
    return what.startswith("kill") and who in what
