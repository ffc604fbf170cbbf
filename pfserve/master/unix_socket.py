"""The Unix socket of ``--uds``: made anew over what a dead server has left, and removed at the end.

Whether a server lives cannot be asked of its socket while that does not listen yet. So a name is reserved, too. One in
the abstract namespace is free again when its holder is dead, whatever became of the file.
"""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import stat

from pfserve.errors import ConfigError, PortError

_MASK = 0o117  # mode 0660: for us and our group


class UnixSocket:
    """The bound socket of a path, and the file that belongs to it."""

    def __init__(self, path: str, origin: str) -> None:
        self._path = path
        self._origin = origin
        self._name = socket.socket(socket.AF_UNIX)
        self._made: os.stat_result | None = None

    def bind(self) -> socket.socket:
        """Bind; nobody listens yet.

        Raises:
            PortError: another server has the path.
            ConfigError: there can be no socket at this path.
        """
        try:
            self._reserve()
            self._make_way()
            listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
            before = os.umask(_MASK)
            try:
                listener.bind(self._path)
            finally:
                os.umask(before)
            self._made = os.stat(self._path)
        except OSError as problem:
            if problem.errno == errno.EADDRINUSE:
                raise PortError(f"cannot listen on {self._path}: another server does") from None
            reason = problem.strerror or str(problem)
            raise ConfigError("uds", self._path, self._origin, f"no socket can be made there: {reason}") from None
        return listener

    def remove(self) -> None:
        """Remove the file, unless somebody has put another one in its place. Only the master may."""
        with contextlib.suppress(OSError):
            found = os.stat(self._path)
            if self._made is not None and (found.st_dev, found.st_ino) == (self._made.st_dev, self._made.st_ino):
                os.unlink(self._path)
        self._name.close()

    def _reserve(self) -> None:
        folder = os.stat(os.path.dirname(self._path))
        self._name.bind(f"\0pfserve.uds.{folder.st_dev}.{folder.st_ino}.{os.path.basename(self._path)}"[:107])

    def _make_way(self) -> None:
        """Remove the socket of a dead server."""
        try:
            mode = os.lstat(self._path).st_mode
        except FileNotFoundError:
            return
        if not stat.S_ISSOCK(mode):
            raise FileExistsError(errno.EEXIST, "something else is there, which is no socket")
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK) as probe:
            try:
                probe.connect(self._path)
            except ConnectionRefusedError:
                os.unlink(self._path)
                return
            except BlockingIOError:  # its backlog is full: it is there
                pass
        raise OSError(errno.EADDRINUSE, "another server answers there")
