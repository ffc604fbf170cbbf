"""What a monitor is given at its birth, and its life."""

from __future__ import annotations

import socket

import msgspec

from pfserve.config import ServeConfig
from pfserve.region import Region
from pfserve.worker.channel import Channel


class Watch(msgspec.Struct, frozen=True):
    """Everything a monitor has."""

    config: ServeConfig
    region: Region
    listeners: tuple[socket.socket, ...]  # of the admin port; they listen already
    channel: Channel  # to the master; nothing is said on it, its end says that the master is gone


def watch(post: Watch) -> int:
    """The life of a monitor: it never returns unless its event loop ends by a bug."""
    from pfserve.monitor.serve import serve_admin  # in this process only: it brings aiohttp and uvloop

    return serve_admin(post)
