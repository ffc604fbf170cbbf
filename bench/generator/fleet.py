"""The side that starts the generator processes, hears what they record, and stops them."""

from __future__ import annotations

import contextlib
import os
import selectors
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec

from ..blocks import Block, Kind, Unpacker
from .plan import LENGTH, ZERO, Plan

READY_WITHIN_S = 30.0
STOP_WITHIN_S = 5.0
SILENT_S = 10.0  # it says something every second; silent for longer, it is stopped or stuck
START_IN_S = 0.1  # from telling the first process the zero to the zero
_PIECE_BYTES = 1 << 20
_PACKAGE = __package__ or ""


class Member:
    """One generator process."""

    def __init__(self, plan: Plan) -> None:
        self.index = plan.index
        self.is_done = False
        self.heard_s = time.monotonic()
        self.unpacker = Unpacker()
        root = str(Path(__file__).parents[len(_PACKAGE.split("."))])
        self.process = subprocess.Popen(
            [sys.executable, "-m", f"{_PACKAGE}.process"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            bufsize=0,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, (root, os.environ.get("PYTHONPATH"))))},
            start_new_session=True,  # Ctrl-C is for us: we stop it, with its last samples
        )
        encoded = msgspec.msgpack.encode(plan)
        self.tell(LENGTH.pack(len(encoded)) + encoded)

    def tell(self, data: bytes) -> None:
        """Write to it. A process that is gone is found out when it is heard."""
        assert self.process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.write(data)

    def stop(self) -> None:
        """It begins nothing more, and says what it has."""
        assert self.process.stdin is not None
        self.process.stdin.close()


class Fleet:
    """All generator processes of a trial. Leaving it as a context leaves none behind."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self.voids: list[str] = []  # processes that died

    def __enter__(self) -> Fleet:
        self._selector = selectors.DefaultSelector()
        self._members = [Member(part) for part in shares(self._plan)]
        for member in self._members:
            assert member.process.stdout is not None
            self._selector.register(member.process.stdout, selectors.EVENT_READ, member)
        return self

    def __exit__(self, *_: object) -> None:
        for member in self._members:
            member.stop()
        deadline_s = time.monotonic() + STOP_WITHIN_S
        for member in self._members:
            try:
                member.process.wait(max(0.0, deadline_s - time.monotonic()))
            except subprocess.TimeoutExpired:
                member.process.kill()
                member.process.wait()
            assert member.process.stdout is not None
            member.process.stdout.close()
        self._selector.close()

    @property
    def is_running(self) -> bool:
        """Whether somebody may still say something."""
        return bool(self._selector.get_map())

    @property
    def pids(self) -> list[int]:
        """Of all processes."""
        return [member.process.pid for member in self._members]

    def start(self) -> int:
        """Wait until everybody is ready, and give the zero to all. Raises RuntimeError."""
        waiting = {member.index for member in self._members}
        deadline_s = time.monotonic() + READY_WITHIN_S
        while waiting:
            waiting -= {block.process for block in self.hear(0.1) if block.kind == Kind.READY}
            if self.voids or time.monotonic() > deadline_s:
                raise RuntimeError("; ".join(self.voids) or f"no generator was ready within {READY_WITHIN_S:g} s")
        zero_ns = time.monotonic_ns() + int(START_IN_S * 1e9)
        for member in self._members:
            member.tell(ZERO.pack(zero_ns))
        return zero_ns

    def hear(self, within_s: float) -> Iterator[Block]:
        """What comes within that time, or nothing. Whoever was silent for too long is killed."""
        for key, _ in self._selector.select(within_s):
            member: Member = key.data
            assert member.process.stdout is not None
            data = os.read(member.process.stdout.fileno(), _PIECE_BYTES)
            member.heard_s = time.monotonic()
            if not data:
                self._bury(member)
            for block in member.unpacker.feed(data):
                member.is_done = member.is_done or block.kind == Kind.DONE
                yield block
        for member in self._members:
            if time.monotonic() > member.heard_s + SILENT_S:
                member.process.kill()

    def stop(self) -> None:
        """Nobody begins anything more; :meth:`hear` them to their end."""
        for member in self._members:
            member.stop()

    def _bury(self, member: Member) -> None:
        assert member.process.stdout is not None
        self._selector.unregister(member.process.stdout)
        if not member.is_done:
            code = member.process.wait(STOP_WITHIN_S)
            self.voids.append(f"generator process {member.index} died ({_how(code)}); its last samples are lost")


def shares(plan: Plan) -> list[Plan]:
    """What each process is told. Limits are divided, the rest going to the first ones."""
    count = plan.processes

    def part(whole: int, index: int) -> int:
        return whole // count + (index < whole % count)

    return [
        msgspec.structs.replace(
            plan, index=index, connections=part(plan.connections, index), max_in_flight=part(plan.max_in_flight, index)
        )
        for index in range(count)
    ]


def _how(code: int) -> str:
    return f"killed by signal {-code}" if code < 0 else f"exit code {code}"
