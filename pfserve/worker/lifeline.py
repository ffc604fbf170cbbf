"""How a child of the tree is born: it dies with its parent, obeys its control channel, and owns only its own things."""

from __future__ import annotations

import contextlib
import ctypes
import errno
import faulthandler
import logging
import os
import random
import resource
import signal
import sys
from collections.abc import Callable, Iterable
from types import FrameType
from typing import NoReturn, Protocol

from pfserve.worker.channel import Channel, channel_pair

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
_STDERR = 2
_BUG_EXIT = 70  # a child that ended by an exception nobody foresaw

STACK_SIGNAL = signal.SIGUSR2
"""A child that gets this signal writes the stacks of all its threads to standard error, even while it is stuck."""

_libc = ctypes.CDLL(None, use_errno=True)
_log = logging.getLogger("pfserve")


class Closable(Protocol):
    """Something that a child inherited and must not keep."""

    def close(self) -> None:
        """Give it up."""


def fork_child(body: Callable[[], int], *, not_yours: Iterable[Closable]) -> int:
    """Fork a child that runs ``body`` and exits with the code it returns; give its pid. Never returns in the child.

    Raises:
        OSError: the kernel refuses another process.
    """
    parent = os.getpid()
    _flush()
    # No signal may reach the child before its handlers are its own: the parent's would write into the parent's pipe.
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    try:
        pid = os.fork()
        if pid == 0:
            _live(parent, body, not_yours, mask)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
    return pid


def why_not_forked(problem: OSError) -> str:
    """What :func:`fork_on_channel` raised, in words, with what to do about the most frequent one."""
    hint = " (raise the limit of processes: ulimit -u, or the container's)" if problem.errno == errno.EAGAIN else ""
    return f"could not be forked: {problem.strerror}{hint}"


def fork_on_channel(body: Callable[[Channel], int], *, not_yours: Iterable[Closable]) -> tuple[int, Channel]:
    """Fork a child that is given its end of a new channel; give its pid and our end. Never returns in the child.

    Raises:
        OSError: the kernel refuses another process, or another descriptor.
    """
    ours, theirs = channel_pair()
    try:
        return fork_child(lambda: body(theirs), not_yours=[ours, *not_yours]), ours
    except OSError:
        ours.close()
        raise
    finally:
        theirs.close()


def hold_standard_descriptors() -> None:
    """Open what our starter has closed of 0, 1 and 2: what is opened next would take their numbers, and get our log."""
    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= _STDERR:
        os.set_inheritable(descriptor, True)
    os.close(descriptor)


def raise_descriptor_limit() -> int:
    """Open as many descriptors as the hard limit lets: the soft one, 1024 by default, is meant for select().

    Gives how many that are.
    """
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(OSError, ValueError):  # a hard limit that the kernel would not grant anew
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    allowed, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return sys.maxsize if allowed == resource.RLIM_INFINITY else allowed


def obey_channel_only() -> None:
    """Let SIGTERM, SIGINT and SIGHUP pass unheard: terminals and service managers signal whole groups.

    A handler that does nothing, not ``SIG_IGN``: that one would be inherited by the programs that user code starts.
    """
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, _unheard)


def write_stacks_on_demand() -> None:
    """Write all stacks to standard error for :data:`STACK_SIGNAL`, and for a crash in native code."""
    faulthandler.enable(file=_STDERR)
    faulthandler.register(STACK_SIGNAL, file=_STDERR, all_threads=True)


def adopt_orphans() -> None:
    """Become the parent of every descendant whose own parent dies."""
    _libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def _unheard(_number: int, _frame: FrameType | None) -> None:
    """The control channel decides."""


def _live(parent: int, body: Callable[[], int], not_yours: Iterable[Closable], mask: Iterable[int]) -> NoReturn:
    code = _BUG_EXIT
    try:
        _be_born(parent, not_yours)
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        code = body()
    except SystemExit as leaving:
        code = leaving.code if isinstance(leaving.code, int) else 1
    except BaseException:  # the boundary of the process: nothing may return into the parent's frames
        _log.critical("process %d ends by a bug", os.getpid(), exc_info=True)
    finally:
        _flush()
        os._exit(code)


def _be_born(parent: int, not_yours: Iterable[Closable]) -> None:
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:  # it died before the line was tied
        os._exit(0)
    signal.set_wakeup_fd(-1)
    for number in signal.valid_signals():
        if callable(signal.getsignal(number)):
            signal.signal(number, signal.SIG_DFL)
    obey_channel_only()
    write_stacks_on_demand()
    for thing in not_yours:
        thing.close()
    _reseed()


def _reseed() -> None:
    """Give the child its own randomness; siblings would draw the same numbers."""
    random.seed()
    numpy_random = sys.modules.get("numpy.random")
    if numpy_random is not None:
        numpy_random.seed()


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(Exception):  # none, closed, full, or the author's own: nothing to save
            stream.flush()
