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
from process.faults.server import Server, children, connected_ports

LEADER_DEATHS_A_MINUTE = 4  # the sixth is a crash loop, by design
WORKER_DEATHS_IN_30_S = 10

Pids = tuple[int, ...]


@dataclass
class Event:
    """One thing done. ``pids`` are the processes that it killed; ``until_s`` is when its effects on them were over.

    ``held`` are the client ends of the connections that a process had when it was stopped for good, by its pid: the
    kernel's word, taken while the process could neither accept nor pass on.
    """

    at_s: float
    what: str
    pids: Pids = ()
    held: dict[int, frozenset[int]] = field(default_factory=dict)
    until_s: float = 0.0
    recovered_s: float = 0.0  # how long until all was as before


@dataclass
class Faults:
    """Does things to the server, one after the other, and waits until it has recovered from each."""

    server: Server
    flow: Path
    chance: random.Random
    events: list[Event] = field(default_factory=list)
    _held: dict[int, frozenset[int]] = field(default_factory=dict)  # by those that are stopped now

    async def run(self, duration_s: float) -> None:
        end_s = time.monotonic() + duration_s
        while time.monotonic() < end_s:
            await asyncio.sleep(self.chance.uniform(0.1, 0.8))
            event = await self._one(self._chosen())
            self.events.append(event)
            await self._recover(event)

    def _chosen(self) -> str:
        weights = {
            "kill worker": 8,
            "kill leader": 2,
            "kill monitor": 2,
            "stop worker": 4,
            "stop worker until replaced": 1,
            "stop leader": 1,
            "stop monitor": 1,
            "stop master": 1,
            "reload": 3,
            "reload a bad flow": 2,
        }
        if self._lately("kill leader", 60) >= LEADER_DEATHS_A_MINUTE:
            del weights["kill leader"]
        if self._lately("kill worker", 30) >= WORKER_DEATHS_IN_30_S:
            del weights["kill worker"]
        return self.chance.choices(list(weights), list(weights.values()))[0]

    def _lately(self, what: str, window_s: float) -> int:
        return sum(event.what == what and time.monotonic() - event.at_s < window_s for event in self.events)

    async def _one(self, what: str) -> Event:
        self._held = {}
        event = Event(time.monotonic(), what, held=self._held)
        event.pids = await getattr(self, "_" + what.replace(" ", "_"))()
        event.until_s = time.monotonic()
        return event

    async def _kill_worker(self) -> Pids:
        workers = children(self.server.leader())
        return self._kill(self.chance.choice(workers)) if workers else ()

    async def _kill_leader(self) -> Pids:
        leader = self.server.leader()
        workers = children(leader)
        for worker in workers:  # they die with it
            self._pause(worker)
        return (*self._kill(leader), *workers) if leader else ()

    async def _kill_monitor(self) -> Pids:
        return self._kill((await self.server.status())["monitor"]["pid"])

    async def _stop_worker(self) -> Pids:
        return await self._stop(children(self.server.leader()), self.chance.uniform(0.1, 1.5))

    async def _stop_worker_until_replaced(self) -> Pids:
        return await self._stop(children(self.server.leader()), 6.0)

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
        assert await self.server.reload() == 0, "a reload of a good flow failed"
        return ()

    async def _reload_a_bad_flow(self) -> Pids:
        flows.break_it(self.flow)
        code = await self.server.reload()
        flows.mend(self.flow)
        assert code == 1, "a reload of a broken flow was no failure"
        return ()

    def _pause(self, pid: int) -> None:
        """Stop it, and see what it holds."""
        os.kill(pid, signal.SIGSTOP)
        self._held[pid] = connected_ports(pid)

    def _kill(self, pid: int) -> Pids:
        try:
            self._pause(pid)
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:  # it has gone by itself meanwhile
            return ()
        return (pid,)

    async def _stop(self, pids: list[int], for_s: float) -> Pids:
        """Stop one of the processes for a while; give it if it did not come back: the server has replaced it."""
        pid = self.chance.choice(pids or [0])
        if not pid:
            return ()
        try:
            self._pause(pid)
            await asyncio.sleep(for_s)
            os.kill(pid, signal.SIGCONT)
        except ProcessLookupError:
            return (pid,)
        return ()

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
