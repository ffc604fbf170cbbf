"""Where a server's control socket is: beside its pid file, and in a private folder under its port's number."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager


def beside(pidfile: str) -> str:
    """The control socket of a server with this pid file."""
    return f"{pidfile}.control"


def by_port(runtime_folder: str, port: int) -> str:
    """The control socket of the server on this port, for the user that it runs as.

    ``runtime_folder`` is ``XDG_RUNTIME_DIR``; without it, or where that is no folder, it is one of our own in ``/tmp``.
    """
    return os.path.join(_private_folder(runtime_folder), f"port-{port}.control")


def _private_folder(runtime_folder: str) -> str:
    if os.path.isabs(runtime_folder) and os.path.isdir(runtime_folder):
        return os.path.join(runtime_folder, "pfserve")
    return f"/tmp/pfserve-{os.geteuid()}"


def make_private(folder: str) -> None:
    """Make the folder, for its owner only.

    Raises:
        OSError: it cannot be made, or is somebody else's: who may write there could answer in the server's place.
    """
    with contextlib.suppress(FileExistsError):
        os.mkdir(folder, 0o700)
    require_private(folder)


def require_private(folder: str) -> None:
    """See that the folder is its user's alone. Also who asks a server must: who is there may be somebody else.

    Raises:
        OSError: it is somebody else's, or there is none.
    """
    found = os.lstat(folder)
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid() or found.st_mode & 0o077:
        raise PermissionError(errno.EACCES, "is not a folder that only this user may enter", folder)


@contextmanager
def short(path: str) -> Iterator[str]:
    """A name of the path that fits into a socket's address, which takes 107 bytes."""
    folder = os.open(os.path.dirname(path) or ".", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{folder}/{os.path.basename(path)}"
    finally:
        os.close(folder)
