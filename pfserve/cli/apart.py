"""Runs a task that imports user code in a process of its own, so that nothing the code does reaches the command.

User code may print, end the process, leave threads or processes behind, or never come back.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import time
from collections.abc import Callable
from multiprocessing.connection import Connection

# A fork costs nothing where it is safe: this process has one thread.
_process = multiprocessing.get_context("fork").Process if sys.platform == "linux" else multiprocessing.Process
_LOOK_EVERY_S = 0.05  # how often the parent looks whether the child died silently


class Died(Exception):
    """The task gave no result; the text says what became of its process."""


def apart(task: Callable[[], bytes], *, timeout_s: float) -> bytes:
    """Call ``task`` in a child process and give its result; its stdout becomes our stderr.

    Raises:
        Died: the process ended before, or took longer than ``timeout_s``.
    """
    reader, writer = multiprocessing.Pipe(duplex=False)
    child = _process(target=_run, args=(writer, task))
    child.start()
    writer.close()
    try:
        if not _arrived(reader, child.is_alive, time.monotonic() + timeout_s):
            raise Died(f"is not done after {timeout_s:g} s")
        return reader.recv_bytes()
    except EOFError:
        child.join(timeout_s)
        raise Died(f"ended its process ({_how(child.exitcode)})") from None
    finally:
        child.kill()
        child.join()
        reader.close()


def _arrived(reader: Connection, is_alive: Callable[[], bool], deadline_s: float) -> bool:
    """Wait for a result or for the end of the child; its own children may hold the pipe open. False: too late."""
    while not reader.poll(_LOOK_EVERY_S):
        if not is_alive():
            if reader.poll(0):
                return True
            raise EOFError
        if time.monotonic() > deadline_s:
            return False
    return True


def _run(writer: Connection, task: Callable[[], bytes]) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's, and the parent kills us
    process = os.getpid()
    os.dup2(2, 1)
    result = task()
    if os.getpid() != process:  # user code forked, and this is its child
        os._exit(0)
    sys.stdout.flush()
    writer.send_bytes(result)
    os._exit(0)  # threads that user code left would keep the process


def _how(exit_code: int | None) -> str:
    if exit_code is not None and exit_code < 0:
        return f"signal {-exit_code}"
    return f"exit status {exit_code}"
