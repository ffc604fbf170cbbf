"""The life of a connection."""

from __future__ import annotations

import enum


class State(enum.Enum):
    """What a connection is doing. Every state may also end in CLOSED, by the client or by a deadline."""

    IDLE = "idle"  # no byte of a next request has come  → HEAD, BUSY
    HEAD = "head"  # a part of a head has come  → BUSY, LINGERING
    BUSY = "busy"  # an exchange is going on  → IDLE, DRAINING, FLUSHING, LINGERING
    DRAINING = "draining"  # answered; the rest of a small body is thrown away  → IDLE, FLUSHING, LINGERING
    FLUSHING = "flushing"  # answered; the client does not take the answer yet  → IDLE
    LINGERING = "lingering"  # will be closed; what still comes is thrown away, so that the last reply is not lost
    CLOSED = "closed"  # nothing more comes in; what was written may still be on its way out


BETWEEN = frozenset({State.IDLE, State.HEAD})
"""The states between two requests: the connection can go on in another process."""
