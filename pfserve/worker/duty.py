"""What a worker is given at its birth."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from typing import TYPE_CHECKING

import msgspec

from pfserve.config import ServeConfig
from pfserve.region import Region
from pfserve.worker.channel import Channel
from pfserve.worker.inbox import Inbox
from pfserve.worker.mailbox import Mailbox

if TYPE_CHECKING:
    from ssl import SSLContext


class Duty(msgspec.Struct, frozen=True):
    """Everything a worker has besides the plan."""

    config: ServeConfig
    region: Region
    seat: int
    listeners: tuple[socket.socket, ...]  # bound; the first worker that can serve calls listen()
    inboxes: Mapping[int, Inbox]  # of all seats of the instance, this one's included
    mailboxes: Mapping[int, Mailbox]  # of the seats of the generation, this one's included
    channel: Channel  # to its leader
    tls: SSLContext | None = None  # of connections that come over TCP
