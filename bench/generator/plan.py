"""What a generator process is told before it starts."""

from __future__ import annotations

import struct

import msgspec

from ..schedule import Load, Span
from ..workload import Workload

LENGTH = struct.Struct("<I")  # before the plan, on standard input
ZERO = struct.Struct("<q")  # after it, once everybody is ready: the trial's zero on the monotonic clock, in nanoseconds


class Plan(msgspec.Struct, frozen=True):
    """The same for all processes of a trial, but for ``index``."""

    load: Load
    span: Span
    workload: Workload
    address: str  # numeric, resolved once
    seed: int
    processes: int
    connections: int  # at most, of this process; further requests wait for one
    max_in_flight: int  # of this process, those that wait included; further requests are dropped
    timeout_s: float  # the client's patience, from the intended start
    retries: int = 0  # times that a Retry-After is obeyed; 0: it is not
    verifies_tls: bool = True
    index: int = 0
