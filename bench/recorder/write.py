"""Writes a record while the trial runs."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec

from ..blocks import Kind, pack
from .header import MAGIC, End, Header

ROOM_BYTES = 4096
LONGEST_REASON = 1000


class DiskProblem(Exception):
    """The record cannot grow any more; what was written stays, and is a record."""


class Writer:
    """One record. Every block is written as it comes: a crash loses nothing that was given."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def start(self, header: Header) -> None:
        """Make the file and write the header. Raises DiskProblem."""
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._fd = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
        except OSError as problem:
            raise DiskProblem(f"{self.path}: {problem.strerror}") from problem
        self._good_bytes = 0
        self._append(MAGIC)
        self.block(Kind.HEADER, 0, msgspec.json.encode(header))
        self._room_at = self._good_bytes
        self.block(Kind.ROOM, 0, bytes(ROOM_BYTES))

    def block(self, kind: int, process: int, payload: bytes) -> None:
        """Append a block. Raises DiskProblem; the file then ends after the last whole one."""
        self._append(pack(Kind(kind), process, payload))

    def finish(self, end: End) -> None:
        """Append the last block and close; on a full disk it goes where room was kept.

        A record without it, as a killed process leaves it, says by that that it is partial.
        """
        try:
            self.block(Kind.END, 0, msgspec.json.encode(end))
        except DiskProblem:
            self._use_room(end)
        finally:
            os.close(self._fd)

    def _use_room(self, end: End) -> None:
        short = End(complete=False, reason=end.reason[:LONGEST_REASON], voids=end.voids[:1])
        block = pack(Kind.END, 0, msgspec.json.encode(short))
        rest = pack(Kind.ROOM, 0, bytes(ROOM_BYTES - len(block)))
        os.pwrite(self._fd, block + rest, self._room_at)

    def _append(self, data: bytes) -> None:
        left = memoryview(data)
        try:
            while left:
                left = left[os.write(self._fd, left) :]
        except OSError as problem:
            os.ftruncate(self._fd, self._good_bytes)
            os.lseek(self._fd, self._good_bytes, os.SEEK_SET)
            raise DiskProblem(f"{self.path}: {problem.strerror}, after {self._good_bytes:,} bytes") from problem
        self._good_bytes += len(data)
