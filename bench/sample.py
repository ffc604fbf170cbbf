"""One request as it is recorded: when it should have begun, when it did, what came of it. 65 bytes, no padding.

All times are nanoseconds since the trial's zero, on the monotonic clock that every process of the machine shares.
"""

from __future__ import annotations

import enum
import struct
from typing import NamedTuple

LAYOUT = struct.Struct("<qqqqIIIIIHBBBII")
NEVER = -1  # of ``sent_ns`` and ``first_ns``: it did not come to that
LATE_LIMIT_NS = 0xFFFF_FFFF
NOT_TOLD = 0xFFFF_FFFF  # of ``queue_us`` and ``run_us``


class Outcome(enum.IntEnum):
    """What came of a request. A refusal is neither a success nor a failure."""

    SUCCESS = 0  # 2xx, whole
    REFUSED = 1  # 429
    TIMED_OUT = 2  # 408, or the client's patience ended
    FAILED = 3  # any other status
    CONNECTION = 4  # no connection, or it broke, or what came was no HTTP
    DROPPED = 5  # never sent: as many as may be were in flight


class Cause(enum.IntEnum):
    """Why, where the status does not tell."""

    NONE = 0
    CONNECT_REFUSED = 1
    UNREACHABLE = 2
    TLS = 3
    OUT_OF_FILES = 4
    OUT_OF_PORTS = 5
    RESET = 6
    CLOSED = 7  # before a byte of the answer
    CUT = 8  # within the answer
    MALFORMED = 9
    SURPLUS = 10  # more bytes than the answer said
    CLIENT_TIMEOUT = 11
    IN_FLIGHT_LIMIT = 12

    @property
    def sentence(self) -> str:
        """For reports."""
        return _SENTENCES[self]


_SENTENCES = {
    Cause.NONE: "",
    Cause.CONNECT_REFUSED: "the connection was refused",
    Cause.UNREACHABLE: "no connection could be made",
    Cause.TLS: "the TLS handshake failed",
    Cause.OUT_OF_FILES: "the generator had no file descriptors left",
    Cause.OUT_OF_PORTS: "the machine had no ephemeral ports left",
    Cause.RESET: "the connection was reset",
    Cause.CLOSED: "the connection was closed before a byte of the answer",
    Cause.CUT: "the connection ended within the answer",
    Cause.MALFORMED: "the answer was no HTTP/1.1",
    Cause.SURPLUS: "the answer had more bytes than it said",
    Cause.CLIENT_TIMEOUT: "the client's timeout passed",
    Cause.IN_FLIGHT_LIMIT: "as many as may be were in flight",
}
GENERATOR_CAUSES = frozenset({Cause.OUT_OF_FILES, Cause.OUT_OF_PORTS})


class Sample(NamedTuple):
    """The fields in the order of :data:`LAYOUT`."""

    intended_ns: int  # when the schedule, or the user of a closed loop, wanted it sent
    sent_ns: int  # when its bytes were written to a connection
    first_ns: int  # first byte of the answer
    end_ns: int
    number: int  # in the schedule; retries keep it
    late_ns: int  # how much later than intended the generator took it up; waiting for a connection is not in it
    received_bytes: int  # of the body
    events: int
    tokens: int
    status: int  # 0: no answer
    outcome: int
    cause: int
    attempt: int  # 0; after an obeyed Retry-After 1, 2, ...
    queue_us: int = NOT_TOLD  # how long it waited before it ran, as the server says
    run_us: int = NOT_TOLD  # how long it ran, as the server says

    @property
    def latency_ns(self) -> int:
        """From the intended start: what somebody who came then had to wait."""
        return self.end_ns - self.intended_ns

    @property
    def service_ns(self) -> int:
        """From the real start: what the server took once it had the request."""
        return self.end_ns - self.sent_ns

    @property
    def reply_ns(self) -> int | None:
        """What is left of the service time without waiting and running. None where the server does not tell both."""
        if NOT_TOLD in (self.queue_us, self.run_us):
            return None
        return self.service_ns - (self.queue_us + self.run_us) * 1000


def outcome_of(status: int) -> Outcome:
    """What a status means."""
    if 200 <= status < 300:
        return Outcome.SUCCESS
    return {429: Outcome.REFUSED, 408: Outcome.TIMED_OUT}.get(status, Outcome.FAILED)
