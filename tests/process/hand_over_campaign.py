"""Processes that wait in a line, grant slots and hand requests over to each other, while they are killed and stopped.

A program of its own: the dispatch, the relay, the mailboxes, the line and the lane are the server's, the requests have
no client and the flow only notes that it runs. So hundreds of processes can be killed in seconds: at any moment, and by
themselves between two steps of a hand-over. Prints one line of JSON with what it saw:

* every request notes that it runs: none may do so twice;
* a request that is lost was handed over to a process that was killed;
* at the end, once nobody is killed any more, every process sees all of its requests to their end: none is forgotten,
  no slot stays promised, and the line is empty.
"""

from __future__ import annotations

import argparse
import asyncio
import ctypes
import fcntl
import json
import mmap
import os
import random
import signal
import socket
import sys
import time
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import uvloop

from pfserve.errors import NotStarted, WorkerLost
from pfserve.execution import ThreadLane
from pfserve.region import Region, SeatState
from pfserve.web import Relay
from pfserve.web.exchange import Exchange
from pfserve.web.relay import GRANTED, NUMBER, SEAT
from pfserve.worker.dispatch import Dispatch
from pfserve.worker.mailbox import Mailbox

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[1]))

from process.faults.steps import STEPS, wrap

PR_SET_PDEATHSIG = 1
DEEPEST = 4  # requests that a process has at a time, with one thread
JOB_S = 0.001
BEAT_S = 0.5
DEAD_WITHIN_S = 5.0  # a process whose death was noticed has lost its seat
ENDED_WITHIN_S = 30.0
TAKEN_BACK_WITHIN_S = 5.0  # what was promised to the dead
DIES = 1 / 150  # of the times that a process comes by a step
DIES_WITH_A_STREAM = 1 / 10  # there are few: streams are kept for the next request
HERE = [step for step in STEPS if not step.module.startswith("pfserve.web.") or step.module == "pfserve.web.relay"]
SPARED = 0  # this seat's process is never killed: what others do to its requests shows at the end
SEEN = ("ran", "handed", "again", "lost", "forsaken", "error", "ended")


class Shared:
    """What all processes of the campaign have."""

    def __init__(self, seats: int) -> None:
        self.region = Region(seats * DEEPEST, seats)
        self.mailboxes = {seat: Mailbox() for seat in range(seats)}
        self.notes = os.memfd_create("notes")
        fcntl.fcntl(self.notes, fcntl.F_SETFL, os.O_APPEND)
        self.ending = mmap.mmap(-1, 1)  # 1: no new requests

    def note(self, what: str, request: str = "") -> None:
        """Append a line, whole whenever this process is killed."""
        os.write(self.notes, f"{what} {request}\n".encode())

    def run(self, request: str) -> None:
        """The flow."""
        self.note("ran", request)
        time.sleep(JOB_S)


class Taker(asyncio.Protocol):
    """The other worker's end of a private stream."""

    def __init__(self, process: Process) -> None:
        self._process = process
        self._transport: asyncio.Transport | None = None
        self._task: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """A request, small enough to come whole."""
        transport, process = self._transport, self._process
        assert transport is not None and data.endswith(b"\r\n\r\n")
        told = dict(line.split(": ") for line in data.decode().split("\r\n")[1:] if line)
        if not process.dispatch.take_up(int(told[SEAT]), int(told[NUMBER]), float(told[GRANTED])):
            transport.abort()
            return
        transport.write(b"HTTP/1.1 102 Processing\r\n\r\n")
        if not transport.is_closing():
            job = process.lane.run(partial(process.shared.run, told["x-request-id"]))
            self._task = process.loop.create_task(self._answer(job, transport))

    def connection_lost(self, exc: Exception | None) -> None:
        if self._task is not None:
            self._task.cancel()

    async def _answer(self, job: object, transport: asyncio.Transport) -> None:
        await job  # type: ignore[misc]
        transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")


class Process:
    """A worker without a web."""

    def __init__(self, shared: Shared, seat: int, loop: asyncio.AbstractEventLoop) -> None:
        self.shared, self.loop, self._seat = shared, loop, seat
        for step in HERE:
            dies = DIES_WITH_A_STREAM if step.call == "Dispatch.open_stream" else DIES
            wrap(step, partial(self._come_by, step.name, dies))
        self.lane = ThreadLane(1, loop)
        self.dispatch = Dispatch(
            loop=loop, region=shared.region, seat=seat, mailboxes=shared.mailboxes, lane=self.lane, timeout_s=600.0,
            wait_limit_s=None, hasty=False, branches=False, adopt=self._adopt,
        )  # fmt: skip
        self._relay = Relay(loop, self.dispatch.open_stream, time.monotonic)
        self._chance = random.Random()
        self._tasks: set[asyncio.Task[None]] = set()

    def _come_by(self, step: str, dies: float) -> None:
        """Perhaps die between two steps of a hand-over."""
        if self._seat != SPARED and not self.shared.ending[0] and self._chance.random() < dies:
            self.shared.note("died", step)
            os.kill(os.getpid(), signal.SIGKILL)

    async def live(self) -> None:
        """Make requests until the end, and see them all to theirs."""
        self.lane.start()
        self.dispatch.start()
        self._beat()
        self.shared.region.states[self._seat] = SeatState.LIVE
        number = 0
        while not self.shared.ending[0]:
            if len(self._tasks) < DEEPEST:
                number += 1
                self._keep(self._request(f"{os.getpid()}.{number}"))
            await asyncio.sleep(self._chance.random() * 2 * JOB_S)
        async with asyncio.timeout(ENDED_WITHIN_S):
            await asyncio.gather(*self._tasks)
        self.shared.note("ended")
        while self.shared.ending[0] == 1:  # others still want to hand over
            await asyncio.sleep(0.01)

    async def _request(self, request: str) -> None:
        """As ``web`` does it."""
        waiter = self.dispatch.enter(time.monotonic())
        is_at_once = self.dispatch.at_once()
        while True:
            away = None if is_at_once else await self.dispatch.turn(waiter)
            if away is None:
                await self.lane.run(partial(self.shared.run, request))
                return
            try:
                await self._relay.run(_exchange(request), b"", away)
                self.shared.note("handed", request)
                return
            except NotStarted:
                self.shared.note("again", request)
            except WorkerLost:
                await self._mourn(away.seat, away.epoch, request)
                return

    async def _mourn(self, seat: int, epoch: int, request: str) -> None:
        deadline_s = time.monotonic() + DEAD_WITHIN_S
        while self.shared.region.epochs[seat] == epoch and time.monotonic() < deadline_s:
            await asyncio.sleep(0.01)
        self.shared.note("lost" if self.shared.region.epochs[seat] != epoch else "forsaken", request)

    def _adopt(self, stream: socket.socket) -> None:
        self._keep(self.loop.connect_accepted_socket(lambda: Taker(self), stream))

    def _keep(self, work: object) -> None:
        task = self.loop.create_task(work)  # type: ignore[arg-type]
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            self.shared.note("error", repr(task.exception()))

    def _beat(self) -> None:
        self.shared.region.beats[self._seat] = time.monotonic_ns()
        self.loop.call_later(BEAT_S, self._beat)


def _exchange(request: str) -> Exchange:
    message = SimpleNamespace(raw_headers=())
    told = SimpleNamespace(message=message, request_id=request, arrived_s=0.0, stage=None, begin=lambda: None)
    return cast("Exchange", told)


class Campaign:
    """Forks the processes, kills them and stops them."""

    def __init__(self, seats: int, seed: int) -> None:
        self._shared = Shared(seats)
        self._shared.region.lock.on_stuck = self._kill_lock_holder
        self._chance = random.Random(seed)
        self._pids: dict[int, int] = {}
        self._stopped: dict[int, float] = {}  # seats, and until when
        self._left = self._deaths = 0

    def run(self, kills: int) -> dict[str, object]:
        began_s = time.monotonic()
        for seat in self._shared.mailboxes:
            self._fork(seat)
        while self._deaths < kills:
            time.sleep(self._chance.random() * 0.03)
            self._stop_or_go_on()
            seat = self._chance.choice([seat for seat in self._pids if seat != SPARED])
            os.kill(self._pids[seat], signal.SIGKILL)
            self._replace_dead(seat)
        failed = self._end()
        return {
            **dict.fromkeys((*SEEN, *(step.name for step in HERE)), 0),
            **self._seen(),
            "failed": failed,
            "left": self._left,
            "seconds": round(time.monotonic() - began_s, 1),
        }

    def _fork(self, seat: int) -> None:
        self._shared.region.occupy(seat, generation=1)
        pid = os.fork()
        if pid == 0:
            code = 1
            try:
                self._shared.region.lock.on_stuck = None
                ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
                loop = uvloop.new_event_loop()
                asyncio.set_event_loop(loop)
                loop.set_exception_handler(lambda _, told: self._shared.note("error", repr(told)))
                loop.run_until_complete(Process(self._shared, seat, loop).live())
                code = 0
            finally:
                os._exit(code)
        self._shared.region.pids[seat] = self._pids[seat] = pid

    def _stop_or_go_on(self) -> None:
        """Stop one now and then, for longer than a slot is kept for it and than a request is waited for."""
        now_s = time.monotonic()
        for seat in [seat for seat, until_s in self._stopped.items() if until_s < now_s]:
            del self._stopped[seat]
            os.kill(self._pids[seat], signal.SIGCONT)
        if len(self._stopped) < len(self._pids) // 2 and self._chance.random() < 0.1:
            seat = self._chance.choice(list(self._pids))
            os.kill(self._pids[seat], signal.SIGSTOP)
            longest_s = 0.5 if seat == SPARED else 3.0  # who holds the region's lock for a second is killed
            self._stopped[seat] = now_s + self._chance.uniform(0.05, longest_s)

    def _kill_lock_holder(self, pid: int) -> None:
        """As the master does it: this one was stopped while it held the region's lock."""
        os.kill(pid, signal.SIGKILL)

    def _replace_dead(self, victim: int | None = None) -> None:
        """As the leader does it. ``victim`` is a seat that is waited for."""
        for seat, pid in self._pids.items():
            dead, status = os.waitpid(pid, 0 if seat == victim else os.WNOHANG)
            if not dead:
                continue
            assert os.WIFSIGNALED(status), f"a process failed by itself: {status}"
            self._deaths += 1
            self._stopped.pop(seat, None)
            self._shared.region.vacate(seat)
            self._shared.mailboxes[seat].empty()
            self._left += sum(entry.seat == seat for entry in self._shared.region.line(seat).entries())
            self._fork(seat)

    def _end(self) -> int:
        """Let all come to their end; give how many did not."""
        for seat in self._stopped:
            os.kill(self._pids[seat], signal.SIGCONT)
        self._replace_dead()
        self._shared.ending[0] = 1
        _until(lambda: self._seen()["ended"] == len(self._pids), ENDED_WITHIN_S)
        _until(lambda: not self._taken(), TAKEN_BACK_WITHIN_S)
        self._left += self._taken()
        self._shared.ending[0] = 2
        return sum(os.waitpid(pid, 0)[1] != 0 for pid in self._pids.values())

    def _taken(self) -> int:
        """Entries that are still in the line, and slots that somebody still counts as taken or promised."""
        region = self._shared.region
        return len(region.line(0).entries()) + sum(region.busy[seat] for seat in self._pids)

    def _seen(self) -> Counter[str]:
        lines = os.pread(self._shared.notes, 1 << 30, 0).decode().splitlines()
        ran = Counter(line for line in lines if line.startswith("ran"))
        seen = Counter(line.partition(" ")[0] for line in lines)
        seen["kills"] = self._deaths
        seen |= Counter(line.removeprefix("died ") for line in lines if line.startswith("died"))
        seen["twice"] = sum(times > 1 for times in ran.values())
        return seen


def _until(probe: Callable[[], bool], within_s: float) -> None:
    deadline_s = time.monotonic() + within_s
    while not probe() and time.monotonic() < deadline_s:
        time.sleep(0.1)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    for name in ("kills", "seats", "seed"):
        parser.add_argument(f"--{name}", type=int, required=True)
    given = parser.parse_args()
    print(json.dumps(Campaign(given.seats, given.seed).run(given.kills)))
