"""The file that names the master's process."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator

from pfserve.errors import ConfigError


@contextlib.contextmanager
def pidfile(path: str, origin: str) -> Iterator[None]:
    """Keep a file with this process's pid; whole or absent at any moment. An empty path means none.

    Raises:
        ConfigError: the file cannot be written, or is something else, such as ``/dev/null``.
    """
    if not path:
        yield
        return
    if os.path.exists(path) and not os.path.isfile(path):
        raise ConfigError("pidfile", path, origin, "is no regular file")
    text = f"{os.getpid()}\n"
    try:
        _write_whole(path, text)
    except OSError as problem:
        raise ConfigError("pidfile", path, origin, f"cannot be written: {problem.strerror}") from None
    try:
        yield
    finally:
        _remove_own(path, text)


def _write_whole(path: str, text: str) -> None:
    draft = f"{path}.{os.getpid()}"
    try:
        with open(draft, "w", encoding="ascii") as file:
            file.write(text)
        os.replace(draft, path)
    except OSError:
        with contextlib.suppress(OSError):
            os.unlink(draft)
        raise


def _remove_own(path: str, text: str) -> None:
    """Another server may have taken the path over meanwhile; its file stays."""
    with contextlib.suppress(OSError), open(path, encoding="ascii") as file:
        if file.read() == text:
            os.unlink(path)
