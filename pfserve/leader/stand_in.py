"""The stub model of ``--stub-llm``: a child of the leader that ends with it, on a loopback port of its own."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
from collections.abc import Iterator

from pfserve.leader.leader import Post
from pfserve.worker.lifeline import fork_child

_log = logging.getLogger("pfserve")


@contextlib.contextmanager
def stand_in(post: Post) -> Iterator[str]:
    """Fork the stub and give its URL; empty if nobody asked for one. The stub ends when the context does.

    Entered before user code is imported, so that the child is clean. Whoever calls the stub before it runs waits in
    the backlog of a socket that listens already.

    Raises:
        OSError: the kernel refuses another process.
        PortError: no loopback port is free.
    """
    if not post.config.stub_llm:
        yield ""
        return
    url, pid = _start(post)
    _log.warning(
        "--stub-llm: generation %d sends every model call to the stub at %s (pid %d); its answers are made up",
        *(post.generation, url, pid),
    )
    try:
        yield url
    finally:
        _end(pid)


def _start(post: Post) -> tuple[str, int]:
    from pfserve.stub import StubSettings, open_listener, run_stub, url_of

    listener = open_listener("127.0.0.1", 0)
    with contextlib.closing(listener):
        pid = fork_child(
            lambda: run_stub(StubSettings(), listener, obeys_signals=False), not_yours=[post.channel, *post.listeners]
        )
        return url_of(listener), pid


def _end(pid: int) -> None:
    try:
        gone, _ = os.waitpid(pid, os.WNOHANG)
        if not gone:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
    except ChildProcessError:  # it died before, and the leader has seen it
        return
