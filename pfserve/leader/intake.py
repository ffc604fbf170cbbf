"""Taking in user code: import it, put the process back as it was, and judge whether a fork would break it."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

from pfserve.errors import CompileError, Diagnostic
from pfserve.plan import Plan
from pfserve.telemetry.logs import revive
from pfserve.worker.lifeline import hold_standard_descriptors, obey_channel_only, write_stacks_on_demand

_STANDARD = (0, 1, 2)

_log = logging.getLogger("pfserve")


def take_in(load: Callable[[], Plan], flow: str) -> Plan:
    """Import and compile the flow with ``load``, whatever its code does meanwhile.

    Raises:
        CompileError: the flow has mistakes, or its code ends the process or raises on import.
    """
    try:
        before = _open_sockets()
        with _everything_restored():
            plan = load()
        if before - _open_sockets():
            problem = "the flow's code closed descriptors that it had not opened, while it was imported"
            _log.critical("%s", problem)  # the channel by which the error travels may be one of them
            raise CompileError([Diagnostic(flow, 0, problem)])
        return plan
    except SystemExit as leaving:
        problem = f"the flow's code called sys.exit({leaving.code!r}) while it was imported"
    except KeyboardInterrupt:
        problem = "the flow's code raised KeyboardInterrupt while it was imported"
    raise CompileError([Diagnostic(flow, 0, problem)])


@contextlib.contextmanager
def _everything_restored() -> Iterator[None]:
    me, folder = os.getpid(), _existing_folder()
    handlers = {number: signal.getsignal(number) for number in signal.valid_signals()}
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, [])
    hold_standard_descriptors()
    standard = [os.dup(number) for number in _STANDARD]
    try:
        yield
    finally:
        if os.getpid() != me:  # user code forked on import and its child came back: one leader is enough
            os._exit(0)
        for timer in (signal.ITIMER_REAL, signal.ITIMER_VIRTUAL, signal.ITIMER_PROF):
            signal.setitimer(timer, 0)
        signal.set_wakeup_fd(-1)
        for number, handler in handlers.items():
            if signal.getsignal(number) is not handler and handler is not None:
                signal.signal(number, handler)
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        obey_channel_only()
        _put_back(standard)
        write_stacks_on_demand()
        revive()
        os.chdir(folder)


def _open_sockets() -> set[tuple[str, str]]:
    """The sockets of this process, by descriptor: when code is taken in, they are all our own."""
    found = set()
    for descriptor in _names_in("/proc/self/fd"):
        with contextlib.suppress(OSError):  # that of the listing itself
            found.add((descriptor, os.readlink(f"/proc/self/fd/{descriptor}")))
    return {(descriptor, target) for descriptor, target in found if target.startswith("socket:")}


def _names_in(folder: str) -> list[str]:
    """What is in the folder; nothing where there is none, as in a jail without ``/proc``."""
    try:
        return os.listdir(folder)
    except OSError:
        return []


def _existing_folder() -> str:
    """The current folder. Where that has been deleted, the root is made the current one: code runs from somewhere."""
    try:
        return os.getcwd()
    except FileNotFoundError:
        os.chdir("/")
        return "/"


def _put_back(standard: list[int]) -> None:
    """Make the descriptors of stdin, stdout and stderr what they were: our log goes there."""
    for number, kept in zip(_STANDARD, standard, strict=True):
        with contextlib.suppress(OSError):  # user code has closed everything it could
            os.dup2(kept, number)
            os.close(kept)


def why_unshareable() -> str:
    """What user code left that a fork would break, in words; empty if nothing.

    Only the forking thread lives on in a child: locks that the others hold stay locked, their work is never done.
    """
    found = _names_of_other_threads()
    if "grpc._cython.cygrpc" in sys.modules:
        found.append("gRPC is loaded")
    return ", ".join(found)


def native_threads() -> int:
    """How many threads of this process Python does not know, such as those of numpy's pool. They are harmless."""
    return max(0, len(_names_in("/proc/self/task")) - len(sys._current_frames()))


def _names_of_other_threads() -> list[str]:
    me = threading.get_ident()
    names = {thread.ident: thread.name for thread in threading.enumerate()}
    found = []
    for ident, frame in sys._current_frames().items():  # knows those that bypass the threading module too
        if ident != me:
            place = f"{Path(frame.f_code.co_filename).name}:{frame.f_lineno}"
            found.append(f"thread {names.get(ident, 'without a name')!r} at {place}")
    return found
