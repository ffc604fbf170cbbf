"""One generator process, from the plan on its standard input to its last sample.

    python -m bench.generator.process       started by the fleet, never by hand

It says READY, is told the trial's zero, sends, and says DONE. The end of its standard input stops it early: the fleet
wants that, or is dead.
"""

from __future__ import annotations

import asyncio
import gc
import os
import resource
import sys
import time
from typing import Any

import msgspec
import uvloop

from ..blocks import Kind
from ..schedule import Closed
from .crew import SWEEP_S, Crew
from .drivers import Pacer, Users
from .ledger import Ledger
from .plan import LENGTH, ZERO, Plan
from .timer import Timer

WATCH_S = 1.0
FLUSH_S = 0.2
ABANDON_S = 1.0  # what is in flight when it is stopped has so long to end


def main() -> None:
    """Read the plan, do it."""
    stdin = sys.stdin.buffer
    [length] = LENGTH.unpack(stdin.read(LENGTH.size))
    plan = msgspec.msgpack.decode(stdin.read(length), type=Plan)
    _raise_file_limit()
    uvloop.run(Generator(plan).run())


def _raise_file_limit() -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


class Generator:
    """The process's life."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan

    async def run(self) -> None:
        """Get ready, wait for the zero, send until everything is answered."""
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(_die)
        self._out = await _writer(loop)
        self._ledger = ledger = Ledger(self._plan.index, self._out.write)
        timer = Timer(loop)
        self._crew = Crew(self._plan, ledger, timer, loop)
        driver = (Users if isinstance(self._plan.load, Closed) else Pacer)(self._plan, self._crew, timer)
        gc.collect()
        gc.freeze()
        gc.set_threshold(100_000)
        ledger.note(Kind.READY, {})
        told = await loop.run_in_executor(None, sys.stdin.buffer.read, ZERO.size)
        if len(told) < ZERO.size:
            return  # there will be no trial
        [ledger.zero_ns] = ZERO.unpack(told)
        self._is_stopped = False
        loop.add_reader(0, self._stop, driver)
        driver.start(ledger.zero_ns)
        await self._until_done(driver)
        self._watch()
        self._crew.close()
        ledger.flush()
        ledger.note(Kind.DONE, {})
        self._out.close()
        await asyncio.sleep(0.01 if not self._out.get_write_buffer_size() else 1)

    async def _until_done(self, driver: Pacer | Users) -> None:
        """Everything that happens by the clock, coarsely."""
        next_watch_s = next_flush_s = time.monotonic()
        stopped_s: float | None = None
        while not (driver.is_over and not self._crew.is_busy):
            await asyncio.sleep(SWEEP_S)
            self._crew.sweep()
            now_s = time.monotonic()
            if now_s >= next_flush_s:
                self._ledger.flush()
                next_flush_s = now_s + FLUSH_S
            if now_s >= next_watch_s:
                self._watch()
                next_watch_s = now_s + WATCH_S
            if self._is_stopped:
                stopped_s = stopped_s or now_s
                if now_s > stopped_s + ABANDON_S:
                    return

    def _stop(self, driver: Pacer | Users) -> None:
        """Standard input has ended."""
        asyncio.get_running_loop().remove_reader(0)
        self._is_stopped = True
        driver.stop()

    def _watch(self) -> None:
        """What it sees of itself."""
        used = resource.getrusage(resource.RUSAGE_SELF)
        seen = {
            "at_s": (time.monotonic_ns() - self._ledger.zero_ns) / 1e9,
            "cpu_s": used.ru_utime + used.ru_stime,
            "involuntary_switches": used.ru_nivcsw,
            **self._crew.state(),
        }
        self._ledger.note(Kind.WATCH, seen)


def _die(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """A bug of ours, or no memory: a generator that goes on after it would measure something else."""
    loop.default_exception_handler(context)
    os._exit(70)


async def _writer(loop: asyncio.AbstractEventLoop) -> asyncio.WriteTransport:
    """Standard output that never blocks the loop."""
    transport, _ = await loop.connect_write_pipe(asyncio.BaseProtocol, os.fdopen(1, "wb", buffering=0))
    return transport


if __name__ == "__main__":
    main()
