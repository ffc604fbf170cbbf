"""What a record says of itself: what was asked for and where it ran, and how it ended."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from ..schedule import Load, Span

FORMAT = 2
UNTOLD_FORMAT = 1  # whose samples end before what the server tells
MAGIC = b"pfserve-bench record\n"


class Header(msgspec.Struct, frozen=True):
    """The first block. No body and no secret is in it: bodies are told by their number and digest."""

    format: int
    target: str
    method: str
    load: Load
    span: Span
    seed: int
    processes: int
    connections: int
    max_in_flight: int
    timeout_s: float
    retries: int
    headers: Sequence[str]  # names only
    bodies: int
    bodies_sha256: str
    closes: bool
    machine: Mapping[str, str]  # date, commit, processor, versions
    verifies_tls: bool = True
    system: Sequence[str] = ()  # the command line of the server, where it was started here


class End(msgspec.Struct, frozen=True):
    """The last block."""

    complete: bool
    reason: str = ""  # why not
    voids: tuple[str, ...] = ()  # what only the running trial could see
    recorder_cpu_s: float = 0.0  # what the recording process used from the zero on
    lasted_s: float = 0.0  # from the zero on
