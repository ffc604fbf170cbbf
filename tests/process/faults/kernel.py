"""What the kernel says of the processes under test: their children, their state, and whom they are connected to."""

from __future__ import annotations

import os
import socket
import struct
from collections.abc import Iterator
from pathlib import Path

# Of linux/sock_diag.h, linux/unix_diag.h and linux/netlink.h: the sockets of a family, here with the inodes of their
# peers, which /proc/net/unix does not tell.
_SOCK_DIAG = 4
_SOCK_DIAG_BY_FAMILY, _DONE = 20, 3
_REQUEST, _DUMP = 0x001, 0x300
_ESTABLISHED = 1 << 1
_SHOW_PEER, _PEER = 0x4, 2
_HEADER = struct.Struct("=IHHII")
_ASK = struct.Struct("=BBHIII8x")
_TOLD = struct.Struct("=BBBBI8x")
_ATTRIBUTE = struct.Struct("=HHI")


def children(pid: int) -> list[int]:
    """The children of a process, in the order of their birth."""
    try:
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []


def parent(pid: int) -> int:
    """The parent of a process; 0 for none."""
    fields = _fields(pid)
    return int(fields[1]) if fields else 0


def state(pid: int) -> str:
    """Its letter of ps; none for a process that is not there."""
    fields = _fields(pid)
    return fields[0] if fields else ""


def _fields(pid: int) -> list[str]:
    """Those of its stat from the third on."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []


def connected_to(pid: int) -> frozenset[str]:
    """The other ends of the connections that a process has, as ``connection.name_of`` calls them."""
    links = Path(f"/proc/{pid}/fd")
    try:
        held = {os.readlink(link) for link in links.iterdir()}
    except OSError:  # it has gone
        return frozenset()
    return frozenset(peer for inode, peer in (*_tcp_peers(), *_unix_peers()) if f"socket:[{inode}]" in held)


def _tcp_peers() -> Iterator[tuple[int, str]]:
    for row in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        columns = row.split()
        yield int(columns[9]), f"tcp:{int(columns[2].partition(':')[2], 16)}"


def _unix_peers() -> Iterator[tuple[int, str]]:
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _SOCK_DIAG) as kernel:
        size = _HEADER.size + _ASK.size
        header = _HEADER.pack(size, _SOCK_DIAG_BY_FAMILY, _REQUEST | _DUMP, 1, 0)
        kernel.send(header + _ASK.pack(socket.AF_UNIX, 0, 0, _ESTABLISHED, 0, _SHOW_PEER))
        while True:
            told = kernel.recv(1 << 20)
            while told:
                length, kind, *_ = _HEADER.unpack_from(told)
                if kind == _DONE:
                    return
                yield from _unix_peer(told[_HEADER.size : length])
                told = told[length:]


def _unix_peer(told: bytes) -> Iterator[tuple[int, str]]:
    inode = _TOLD.unpack_from(told)[4]
    for at in range(_TOLD.size, len(told), _ATTRIBUTE.size):  # all that come with this are of this size
        _, kind, peer = _ATTRIBUTE.unpack_from(told, at)
        if kind == _PEER:
            yield inode, f"unix:{peer}"
