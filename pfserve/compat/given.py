"""What the process that imports user code gives to the names that it imports: the connections, by name.

Given once, before user code is imported; workers inherit it. Code outside of a server has connections of its own only.
"""

from __future__ import annotations

from pfserve.connections import Connections, Sources

_given: list[Connections] = []


def give(connections: Connections) -> None:
    """From now on names of connections in user code mean these."""
    _given[:] = [connections]


def connections() -> Connections:
    """What was given; without a server, none."""
    return _given[0] if _given else Connections(Sources(forms={}))
