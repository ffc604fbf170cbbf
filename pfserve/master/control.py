"""The control sockets: ``pfserve reload`` and ``pfserve status`` ask here, and the master answers from its poll loop.

Messages are JSON, each one packet. A client sends one, ``{"ask": "reload"}`` or ``{"ask": "status"}``; it is sent any
number of ``{"tell": TEXT}`` and one ``{"done": true, "ok": BOOL, …}``. Nothing here waits for a client.
"""

from __future__ import annotations

import contextlib
import errno
import json
import logging
import os
import socket
import struct
import time
from collections.abc import Callable, Iterator

from pfserve.master.control_paths import beside, by_port, make_private, short
from pfserve.worker.bell import Bell

_log = logging.getLogger("pfserve")

_MOST_CLIENTS = 32
_ASK_WITHIN_S = 5.0
_ASK_BYTES = 4096
_ANSWER_BYTES = 1 << 20  # of the send buffer, as far as the system lets us
_CREDENTIALS = struct.Struct("3i")  # pid, uid, gid

ReloadAsked = Callable[[int], None]  # with the client's number
GiveStatus = Callable[[], bytes]  # JSON


class _Client:
    def __init__(self, number: int, connection: socket.socket, now_s: float) -> None:
        self.number = number
        self.connection = connection
        self.since_s = now_s
        self.waits = False  # has asked, and is answered later
        self.waits_for_next = False  # not for the reload that is going on

    def fileno(self) -> int:
        return self.connection.fileno()

    def close(self) -> None:
        self.connection.close()


class _Place:
    """One listening socket in the file system."""

    def __init__(self, path: str, listener: socket.socket) -> None:
        self.path = path
        self.listener = listener
        found = os.lstat(path)
        self._identity = (found.st_dev, found.st_ino)

    def fileno(self) -> int:
        return self.listener.fileno()

    def remove(self) -> None:
        """Take the file away, unless another server has put its own there."""
        with contextlib.suppress(OSError):
            found = os.lstat(self.path)
            if (found.st_dev, found.st_ino) == self._identity:
                os.unlink(self.path)


class Control:
    """The master's side of the control sockets."""

    def __init__(self, bell: Bell, reload_asked: ReloadAsked, give_status: GiveStatus) -> None:
        self._bell = bell
        self._reload_asked = reload_asked
        self._give_status = give_status
        self._places: list[_Place] = []
        self._clients: dict[int, _Client] = {}
        self._born = 0

    def open(self, pidfile: str, runtime_folder: str, port: int) -> None:
        """Listen beside the pid file, if there is one, and where the port says, if there is one."""
        if pidfile:  # it names us already: whoever asks by it means us, and no other server that was started with it
            self._open(beside(pidfile), private_folder=False, takes_over=True)
        if port:
            self._open(by_port(runtime_folder, port), private_folder=True, takes_over=False)

    def _open(self, path: str, *, private_folder: bool, takes_over: bool) -> None:
        """Listen at ``path``. Where that cannot be, the log says so: serving does not depend on it."""
        try:
            if private_folder:
                make_private(os.path.dirname(path))
            place = _Place(path, _listener(path, takes_over=takes_over))
        except OSError as problem:
            _log.warning("no control socket at %s: %s", path, problem.strerror or problem)
            return
        self._places.append(place)
        self._bell.watch(place)

    def close(self) -> None:
        """Close what this process has of it. In a child; the master removes the files with :meth:`remove`."""
        for client in self._clients.values():
            client.close()
        for place in self._places:
            place.listener.close()

    def remove(self) -> None:
        """Take the files away and close everything."""
        for place in self._places:
            place.remove()
        self.close()

    def turn(self) -> None:
        """Take in whoever has come, and hear what they ask."""
        for place in self._places:
            self._accept(place)
        now_s = time.monotonic()
        for client in list(self._clients.values()):
            self._hear(client)
            if not client.waits and now_s - client.since_s > _ASK_WITHIN_S:
                self._drop(client)

    def tell(self, text: str) -> None:
        """Let those who wait for a reload know how it goes."""
        for client in self._waiting():
            self._send(client, {"tell": text})

    def refuse(self, number: int, message: str) -> None:
        """There will be no reload for this client."""
        client = self._clients.get(number)
        if client is not None:
            self._finish(client, ok=False, message=message)

    def postpone(self, number: int) -> None:
        """The reload that this client waits for has not begun: the end of the present one is not for it."""
        client = self._clients.get(number)
        if client is not None:
            client.waits_for_next = True

    def begin_reload(self) -> None:
        """A generation starts: it is the one that everybody waits for."""
        for client in self._clients.values():
            client.waits_for_next = False

    def end_reload(self, *, ok: bool, message: str) -> None:
        """A reload is over: tell those who wait for it."""
        for client in [client for client in self._waiting() if not client.waits_for_next]:
            self._finish(client, ok=ok, message=message)

    # -- steps

    def _waiting(self) -> Iterator[_Client]:
        return iter([client for client in self._clients.values() if client.waits])

    def _accept(self, place: _Place) -> None:
        while True:
            try:
                connection, _ = place.listener.accept()
            except OSError:  # nobody waits, or no descriptor is left
                return
            connection.setblocking(False)
            if len(self._clients) >= _MOST_CLIENTS or not _is_trusted(connection):
                connection.close()
                continue
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _ANSWER_BYTES)
            self._born += 1
            client = _Client(self._born, connection, time.monotonic())
            self._clients[client.number] = client
            self._bell.watch(client)

    def _hear(self, client: _Client) -> None:
        try:
            data = client.connection.recv(_ASK_BYTES)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self._drop(client)
        elif not client.waits:
            self._obey(client, data)

    def _obey(self, client: _Client, data: bytes) -> None:
        match _asked(data):
            case "reload":
                client.waits = True
                self._reload_asked(client.number)
            case "status":
                self._finish(client, ok=True, status=json.loads(self._give_status()))
            case other:
                self._finish(client, ok=False, message=f"this server does not know how to {other!r}")

    def _finish(self, client: _Client, **answer: object) -> None:
        self._send(client, {"done": True, **answer})
        self._drop(client)

    def _send(self, client: _Client, message: dict[str, object]) -> None:
        try:
            client.connection.send(json.dumps(message).encode())
        except OSError as problem:
            if problem.errno == errno.EMSGSIZE:
                _log.warning("an answer on the control socket was too long for the system's socket buffers")

    def _drop(self, client: _Client) -> None:
        if self._clients.pop(client.number, None) is not None:
            self._bell.forget(client)
            client.close()


def _asked(data: bytes) -> object:
    try:
        document = json.loads(data)
    except (ValueError, RecursionError):
        return ""
    return document.get("ask", "") if isinstance(document, dict) else ""


def _is_trusted(connection: socket.socket) -> bool:
    """Whether it is our user or root; the mode of the file says so too, on systems that look at it."""
    raw = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    return _CREDENTIALS.unpack(raw)[1] in (0, os.geteuid())


def _listener(path: str, *, takes_over: bool) -> socket.socket:
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET | socket.SOCK_NONBLOCK)
    try:
        with short(path) as name:
            _make_way(name, takes_over=takes_over)
            before = os.umask(0o177)  # the socket's file is made with mode 0600, not changed to it afterwards
            try:
                listener.bind(name)
            finally:
                os.umask(before)
        listener.listen(8)
    except OSError:
        listener.close()
        raise
    return listener


def _make_way(name: str, *, takes_over: bool) -> None:
    """Remove what a server that was killed has left; what one that lives has, too, where we take its place over.

    Raises:
        OSError: a server answers there.
    """
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET | socket.SOCK_NONBLOCK) as probe:
        try:
            probe.connect(name)
        except FileNotFoundError:
            return
        except ConnectionRefusedError:
            os.unlink(name)
            return
        except BlockingIOError:  # its backlog is full: it is there
            pass
    if not takes_over:
        raise OSError(errno.EADDRINUSE, "another server answers there")
    _log.warning("the pid file is that of another server, which runs on: from now on it names this one")
    os.unlink(name)
