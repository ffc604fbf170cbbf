"""P6, the last clause: what a million requests leave in the memory of the workers."""

from __future__ import annotations

import time

from . import proc, systems, wrk
from .part import Say, Settings
from .series import Series
from .server import Server
from .throughput import BODY, WORKERS

WARM_UP = 100_000  # requests: buffers, caches and free lists have their size
REQUESTS = 1_000_000
SLICE_S = 5  # wrk counts seconds, not requests
SETTLE_S = 3.0


def drift(settings: Settings, say: Say) -> Series:
    """The growth of the tree's own memory over a million requests, in per cent; the async echo flow, once.

    Without the pages of files: what of the interpreter is ours alone depends on who else on the machine runs it.
    """
    with Server(systems.pfserve(settings.examples / "async-echo", WORKERS)) as server:
        server.wait_ready()
        before_bytes = _settled_bytes(server, WARM_UP)
        after_bytes = _settled_bytes(server, REQUESTS)
    grown = (after_bytes / before_bytes - 1) * 100
    say(f"memory  {grown:+.2f} % over {REQUESTS:,} requests, from {before_bytes / 1e6:.1f} MB")
    return Series(systems.PFSERVE, f"growth of the tree's own memory over {REQUESTS:,} requests", "%", (grown,))


def _settled_bytes(server: Server, requests: int) -> int:
    """The memory of the tree after at least so many more requests."""
    answered = 0.0
    while answered < requests:
        reading = wrk.run(server.address, wrk.Load(16, SLICE_S, BODY))
        if reading.failures:
            raise RuntimeError(f"{reading.failures} requests failed:\n{server.log_tail()}")
        answered += reading.requests_per_s * SLICE_S
    time.sleep(SETTLE_S)
    return proc.own_bytes(server.pid)
