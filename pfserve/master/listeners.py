"""The listening sockets: bound at once, so that a port error shows at once; listen() is called when a worker can serve.

Until then a client is refused instead of waiting in a backlog while the flow compiles. Each worker calls listen()
itself as it gets ready: on the shared socket every call after the first changes nothing, no message has to travel, and
nobody listens before somebody accepts.
"""

from __future__ import annotations

import contextlib
import errno
import logging
import socket
from collections.abc import Iterable

from pfserve.errors import PortError

_log = logging.getLogger("pfserve")

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


def bind_admin(host: str, port: int, main: Iterable[socket.socket], *, is_default: bool) -> tuple[socket.socket, ...]:
    """Bind the admin port and listen on it; none for port 0.

    The default port taken is no reason not to start, since a second server on one machine is nothing odd: there is
    no admin port then, and a WARNING. Its sockets listen at once: what comes before the monitor is there waits for it.

    Raises:
        PortError: a port that was asked for cannot be had.
    """
    if not port:
        return ()
    try:
        if port in {listener.getsockname()[1] for listener in main if listener.family != socket.AF_UNIX}:
            raise PortError(f"{host}:{port} is the main port")
        return _listening(bind(host, port), f"{_shown(host)}:{port}")
    except PortError as problem:
        if not is_default:
            raise PortError(f"admin port: {problem} (--admin-port sets it, 0 turns it off)") from None
        _log.warning("no admin port: %s (--admin-port sets another, 0 turns it off)", problem)
        return ()


def _listening(listeners: tuple[socket.socket, ...], place: str) -> tuple[socket.socket, ...]:
    try:
        for listener in listeners:
            listener.listen(128)
    except OSError as problem:  # two servers that start at once can both bind; only one may listen
        for listener in listeners:
            listener.close()
        raise PortError(f"cannot listen on {place}: {problem.strerror}") from None
    return listeners


def port_of(listeners: tuple[socket.socket, ...]) -> int:
    """The port of bound sockets, 0 for none."""
    ports = [listener.getsockname()[1] for listener in listeners if listener.family != socket.AF_UNIX]
    return int(ports[0]) if ports else 0


def url_of(listener: socket.socket, scheme: str = "http") -> str:
    """The address of a bound socket, for people. Unix sockets are without TLS."""
    if listener.family == socket.AF_UNIX:
        return f"unix:{listener.getsockname()}"
    host, port, *_ = listener.getsockname()
    return f"{scheme}://{_shown(host)}:{port}"


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
