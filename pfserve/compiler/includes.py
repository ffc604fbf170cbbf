"""``additional_includes``: the flow's folder and what its file names beside it, merged into a copy (contract 9.1).

Only in one folder do imports, ``__file__`` and relative paths work as they do after ``pf flow build``. The copy lies
among the system's temporary files. Who made it removes it in the end. It is locked as long as a process lives that
uses it, forked ones included; whoever makes a new copy removes those that were left and nobody holds any more.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import stat
import tempfile
import zipfile
from pathlib import Path
from typing import TypeVar

import msgspec

from pfserve.compiler.findings import Findings
from pfserve.flow import FlowFile

AFlow = TypeVar("AFlow", bound=FlowFile)

_PREFIX = "pfserve-includes-"
_MOST_BYTES = 2 << 30
_made: list[Path] = []  # by this process
_LEFT_OUT = shutil.ignore_patterns(".git", "__pycache__", ".runs", f"{_PREFIX}*")


def gather_includes(source: AFlow, findings: Findings) -> AFlow:
    """The source with a folder that has the included files too; the same source where nothing is included.

    As in promptflow a folder is included under its name, and included files win over the flow's own. A path that ends
    in ``.zip`` and does not exist means the folder of that name, packed.
    """
    if not source.additional_includes:
        return source
    try:
        _sweep()
        copy = _Copy(_locked_folder())
    except OSError as problem:
        reason = f"no copy of the flow's folder can be made for its additional includes: {problem}"
        findings.mistake(source.span, f"{reason}; TMPDIR may name a folder that can be written to")
        return source
    try:
        copy.take(source.folder, "")
    except (OSError, shutil.Error, _TooMuch) as problem:
        findings.mistake(source.span, f"the flow's folder cannot be copied for its additional includes: {problem}")
        return source
    included = {}
    for one in source.additional_includes:
        path = Path(os.path.normpath(source.folder / one.text))
        try:
            copy.include(path)
        except FileNotFoundError:
            findings.mistake(one.span, f"Unable to find additional include {one.text}")
        except (OSError, shutil.Error, _TooMuch) as problem:
            findings.mistake(one.span, f"the additional include {one.text} cannot be copied: {problem}")
        else:
            included[path.name] = Path(one.text)
    return msgspec.structs.replace(source, folder=copy.folder, included=included)


def remove_copies() -> None:
    """Remove the copies that this process made. Nothing of the flow may run any more, in no process."""
    while _made:
        shutil.rmtree(_made.pop(), ignore_errors=True)


class _TooMuch(Exception):
    """More than a copy may hold. The text says what and how much."""


class _Copy:
    """The folder that everything is copied to."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._bytes = 0

    def include(self, path: Path) -> None:
        """Copy a file or folder under its own name, or pack a folder."""
        packed = path.parent / path.stem
        if path.suffix == ".zip" and not path.exists() and packed.is_dir():
            self._count(packed)
            _pack(packed, self.folder / path.name)
        else:
            self.take(path, path.name)

    def take(self, path: Path, name: str) -> None:
        """Copy a file or folder to ``name``, which for the folder itself is empty."""
        self._count(path)
        if path.is_dir():
            target = self.folder / name
            shutil.copytree(path, target, ignore=_LEFT_OUT, ignore_dangling_symlinks=True, dirs_exist_ok=True)
        else:
            shutil.copy2(path, self.folder / name)

    def _count(self, path: Path) -> None:
        """Look before copying: a path of one folder too high would fill the disk."""
        if self.folder.is_relative_to(path):
            raise _TooMuch(f"{path} holds the folder for temporary files, {self.folder.parent}")
        for one in path.rglob("*") if path.is_dir() else (path,):
            found = one.stat() if one.exists() else one.lstat()  # what is copied: links are followed
            if not (stat.S_ISREG(found.st_mode) or stat.S_ISDIR(found.st_mode) or stat.S_ISLNK(found.st_mode)):
                raise _TooMuch(f"{one} is neither a file nor a folder, and may have no end")
            self._bytes += found.st_size
            if self._bytes > _MOST_BYTES:
                raise _TooMuch(f"with it the flow has more than {_MOST_BYTES >> 30} GiB")


def _pack(folder: Path, archive: Path) -> None:
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as packed:
        for path in sorted(folder.rglob("*")):
            packed.write(path, path.relative_to(folder.parent))


def _locked_folder() -> Path:
    """A new folder with a lock that this process and its forks hold until the last of them has ended."""
    while True:
        folder = Path(tempfile.mkdtemp(prefix=_PREFIX))
        descriptor = os.open(folder, os.O_RDONLY)  # never closed: the kernel does it, and frees the lock
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        if os.fstat(descriptor).st_nlink:
            _made.append(folder)
            return folder
        os.close(descriptor)  # another process swept it away before it was locked


def _sweep() -> None:
    """Remove the copies that nobody holds."""
    for folder in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        try:
            descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        except OSError:  # another user's, or gone meanwhile
            continue
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            continue
        else:
            shutil.rmtree(folder, ignore_errors=True)
        finally:
            os.close(descriptor)
