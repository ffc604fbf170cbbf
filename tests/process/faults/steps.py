"""What happens inside the workers under test: noted as it happens, and stopped where it is wanted.

The flow's code brings this into the leader, and so into its workers. It notes that a worker says that it begins a
request of another one (``begun``) and that a node runs (``ran``), with the request's id and the process, before it
does. And between two steps of a hand-over a worker stops itself, once, where a :class:`Trap` is set.
"""

from __future__ import annotations

import asyncio
import functools
import importlib
import os
import signal
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from process.faults.kernel import state


class Step(NamedTuple):
    """A point between two steps of a hand-over: before or after a call."""

    name: str
    module: str
    call: str
    is_after: bool


STEPS = (
    Step("the line is locked", "pfserve.region.line", "Line._commit", False),
    Step("put into the line, nobody told", "pfserve.region.line", "Line.push", True),
    Step("taken out of the line, its worker not told", "pfserve.worker.dispatch", "Dispatch.grant", False),
    Step("its grant is on its way", "pfserve.worker.dispatch", "Dispatch.grant", True),
    Step("its grant has come", "pfserve.worker.dispatch", "Dispatch._take_grant", False),
    Step("its grant is read", "pfserve.worker.dispatch", "Dispatch._take_grant", True),
    Step("a stream to the other worker is opened", "pfserve.worker.dispatch", "Dispatch.open_stream", True),
    Step("about to be handed over", "pfserve.web.relay", "PrivateStream.ask", False),
    Step("come to the other worker", "pfserve.web.private", "PrivateService.begin", False),
    Step("its slot is taken up", "pfserve.worker.dispatch", "Dispatch.take_up", True),
    Step("said to begin", "pfserve.web.connection", "Connection.send_processing", True),
    Step("has run, not answered", "pfserve.web.private", "PrivateService.ended", False),
    Step("its answer has come back", "pfserve.web.relay", "Relay._keep", False),
    Step("about to be answered", "pfserve.web.service", "Service.ended", False),
)


@functools.cache
def watch(folder: Path) -> Watch:
    """Watch from now on, for the campaign whose flow is in the folder. In the leader: every worker does so then."""
    watching = Watch(folder)
    for step in STEPS:
        wrap(step, functools.partial(watching.come_by, STEPS.index(step)))
    _note_beginnings(watching)
    return watching


class Watch:
    """The inside of the workers of one campaign."""

    def __init__(self, folder: Path) -> None:
        self._notes = os.open(folder / "notes", os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        self._traps = [str(folder / f"trap-{number}") for number in range(len(STEPS))]
        self._caught = str(folder / "caught-")

    def note(self, what: str, request: str) -> None:
        """Write one line, whole even if this process is killed meanwhile."""
        os.write(self._notes, f"{what} {request} {os.getpid()}\n".encode())

    def come_by(self, step: int) -> None:
        """Stop, if there is a trap: whole and at once."""
        try:
            os.rename(self._traps[step], f"{self._caught}{os.getpid()}")
        except FileNotFoundError:
            return
        signal.pthread_kill(threading.get_ident(), signal.SIGSTOP)


def wrap(step: Step, come_by: Callable[[], None]) -> None:
    """In this process and those that it forks: call ``come_by`` at the step."""
    name, _, method = step.call.partition(".")
    owner = getattr(importlib.import_module(step.module), name)
    call = getattr(owner, method)

    def before(*given: Any, **named: Any) -> Any:
        come_by()
        return call(*given, **named)

    def after(*given: Any, **named: Any) -> Any:
        result = call(*given, **named)
        come_by()
        return result

    setattr(owner, method, after if step.is_after else before)


def _note_beginnings(watching: Watch) -> None:
    from pfserve.web.connection import Connection

    send_processing = Connection.send_processing

    def noted(connection: Connection) -> bool:
        assert connection.exchange is not None
        watching.note("begun", connection.exchange.request_id)
        return send_processing(connection)

    Connection.send_processing = noted  # type: ignore[method-assign]


class Trap:
    """From outside: catches the next worker that comes by a step."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def catch(self, step: int, within_s: float) -> int:
        """The process that is stopped there; 0 where none came by."""
        trap = self._folder / f"trap-{step}"
        trap.touch()
        deadline_s = time.monotonic() + within_s
        while not (caught := list(self._folder.glob("caught-*"))) and time.monotonic() < deadline_s:
            await asyncio.sleep(0.001)
        trap.unlink(missing_ok=True)
        caught = caught or list(self._folder.glob("caught-*"))
        if not caught:
            return 0
        caught[0].unlink()
        pid = int(caught[0].name.removeprefix("caught-"))
        while state(pid) not in ("T", "Z", ""):
            await asyncio.sleep(0.001)
        return pid


@dataclass
class Notes:
    """What the workers have noted: by request, where it ran and where it was begun last for another worker."""

    ran: dict[str, int] = field(default_factory=dict)
    begun: dict[str, int] = field(default_factory=dict)
    twice: list[str] = field(default_factory=list)  # what is wrong: requests that ran more than once

    @classmethod
    def read(cls, folder: Path) -> Notes:
        """Of the campaign whose flow is in the folder."""
        notes = cls()
        for line in (folder / "notes").read_text().splitlines():
            notes.add(*line.split())
        return notes

    def add(self, what: str, request: str, pid: str) -> None:
        """One note."""
        if what == "begun":
            self.begun[request] = int(pid)
        elif request in self.ran:
            self.twice.append(f"request {request} ran in process {self.ran[request]} and again in {pid}")
        else:
            self.ran[request] = int(pid)
