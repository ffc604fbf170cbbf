"""What the web room is told: values only, complete at birth."""

from __future__ import annotations

import msgspec

_KIB = 1024
_MIB = 1024 * _KIB


class Limits(msgspec.Struct, frozen=True):
    """How much a client may send, and how slowly."""

    body_bytes: int = 100 * _MIB
    bodies_in_flight_bytes: int = 256 * _MIB  # received of bodies that are not complete, over the whole worker
    unsent_bytes: int = 256 * _MIB  # of answers whose clients are slow to take them, over the whole worker
    head_bytes: int = 32 * _KIB  # request line and header block together
    head_s: float = 10.0  # from the first byte of a head to its last
    body_first_byte_s: float = 5.0
    body_s: float = 30.0  # from the head to the last byte of the body
    body_bytes_per_s: float = 16.0 * _KIB  # on average, asked for once body_first_byte_s has passed
    drain_bytes: int = 64 * _KIB  # a body left unread up to this size does not cost the connection
    linger_s: float = 1.0  # how long a closing connection still takes in what its client sends
    keep_alive_s: float = 75.0  # between two requests; and without taking anything of an answer


class Settings(msgspec.Struct, frozen=True):
    """The settings of one :class:`pfserve.web.Service`."""

    version: str  # of pfserve
    capacity: int  # C: requests inside the instance, over all workers
    capacity_origin: str  # where C was set
    request_timeout_s: float  # from the arrival of a request to its reply
    build_info: str = ""  # BUILD_INFO, told by /version
    cors: str = "*"  # the origin allowed; "*" for any, as promptflow; "" for no CORS headers
    slow_s: float = 5.0  # requests that take longer are logged
    access_log: bool = False
    literal_nan: bool = False  # answers write NaN and infinities as they are, which is no JSON; else as null
    stream_errors: bool = False  # an event tells why a stream is cut
    server_timing: bool = False  # answers of the flow tell how long it waited and ran
    limits: Limits = Limits()
