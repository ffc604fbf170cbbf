"""The life of the stub's process."""

from __future__ import annotations

import asyncio
import resource
import signal
import socket
from ssl import SSLContext

from pfserve.errors import PortError
from pfserve.stub.settings import StubSettings

_BACKLOG = 4096


def open_listener(host: str, port: int) -> socket.socket:
    """A socket that listens already: who connects before the stub runs waits in its backlog.

    Raises:
        PortError: the address is in use or may not be bound.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(_BACKLOG)
    except (OSError, OverflowError) as problem:
        listener.close()
        raise PortError(f"{host}:{port} cannot be used: {getattr(problem, 'strerror', None) or problem}") from None
    return listener


def url_of(listener: socket.socket, scheme: str = "http") -> str:
    """Where a listener is reached."""
    host, port = listener.getsockname()[:2]
    return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"


def run_stub(
    settings: StubSettings, listener: socket.socket, tls: SSLContext | None = None, *, obeys_signals: bool = True
) -> int:
    """Serve until SIGTERM or SIGINT (or until killed); give the exit code."""
    import uvloop

    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))  # a connection each for thousands of slow streams
    return uvloop.run(_serve(settings, listener, tls, obeys_signals=obeys_signals))


async def _serve(
    settings: StubSettings, listener: socket.socket, tls: SSLContext | None, *, obeys_signals: bool
) -> int:
    from aiohttp import web

    from pfserve.stub.server import StubServer

    loop = asyncio.get_running_loop()
    stopped = asyncio.Event()
    if obeys_signals:
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stopped.set)
    server = web.Server(StubServer(settings, tls).handle, access_log=None, handler_cancellation=True)
    await loop.create_server(server, sock=listener, backlog=_BACKLOG, ssl=tls)
    await stopped.wait()
    await server.shutdown(0)
    return 0
