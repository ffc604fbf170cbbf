"""The listening sockets: bound at once, so that a port error shows at once; listen() is called when a worker can serve.

Until then a client is refused instead of waiting in a backlog while the flow compiles. Each worker calls listen()
itself as it gets ready: on the shared socket every call after the first changes nothing, no message has to travel, and
nobody listens before somebody accepts.
"""

from __future__ import annotations

import contextlib
import errno
import socket

from pfserve.errors import PortError

# "localhost" often names ::1 on machines and in containers that have no IPv6: one address that works is enough.
_ABSENT = frozenset({errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT})


def bind(host: str, port: int) -> tuple[socket.socket, ...]:
    """Bind the port on every address of the host. Port 0 takes a free one, the same on all addresses.

    Raises:
        PortError: the host is unknown, or the address in use or not permitted.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except socket.gaierror as problem:
        raise PortError(f"cannot listen on {host}:{port}: {problem.strerror}") from None
    bound: list[socket.socket] = []
    absent: PortError | None = None
    with contextlib.ExitStack() as undo:
        for family, address in dict.fromkeys((entry[0], entry[4]) for entry in found):
            taken_port = bound[0].getsockname()[1] if bound else port
            try:
                listener = _bound(family, (address[0], taken_port, *address[2:]))
            except OSError as problem:
                refusal = PortError(f"cannot listen on {_shown(str(address[0]))}:{taken_port}: {problem.strerror}")
                if problem.errno not in _ABSENT:
                    raise refusal from None
                absent = refusal
            else:
                bound.append(undo.enter_context(listener))
        undo.pop_all()
    if absent is not None and not bound:
        raise absent
    return tuple(bound)


def url_of(listener: socket.socket) -> str:
    """The address of a bound socket, for people."""
    host, port, *_ = listener.getsockname()
    return f"http://{_shown(host)}:{port}"


def _bound(family: int, address: tuple[object, ...]) -> socket.socket:
    with contextlib.ExitStack() as undo:
        listener = undo.enter_context(socket.socket(family, socket.SOCK_STREAM))
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        listener.setblocking(False)
        listener.bind(address)
        undo.pop_all()
    return listener


def _shown(host: str) -> str:
    return f"[{host}]" if ":" in host else host
