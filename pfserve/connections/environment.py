"""``${conn.key}`` in the environment variables that a flow declares (contract 6.3)."""

from __future__ import annotations

import re

from pfserve.connections.connections import Connections

_REFERENCE = re.compile(r"\$\{([^.]+)\.([^.]+)\}")


def referred(text: str) -> str | None:
    """The connection that ``text`` refers to, if it does."""
    reference = _REFERENCE.fullmatch(text.strip())
    return reference[1] if reference else None


def fill(text: str, connections: Connections) -> str:
    """``text``, or the connection's value if the whole text refers to one. A key that it lacks leaves the text alone.

    Raises:
        ConnectionProblem: there is no such connection.
    """
    reference = _REFERENCE.fullmatch(text.strip())
    if reference is None:
        return text
    connection = connections.get(reference[1])
    key = reference[2]
    return str(connection[key]) if key in connection and connection[key] is not None else text
