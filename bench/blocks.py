"""The blocks that generator processes send, and that a record on disk consists of.

    kind (1 byte), process (1 byte), length (4 bytes), payload

A record that ends within a block lost that block and nothing before it.
"""

from __future__ import annotations

import enum
import struct
from collections.abc import Iterator
from typing import NamedTuple

HEAD = struct.Struct("<BBI")


class Kind(enum.IntEnum):
    """What the payload is."""

    HEADER = 1  # JSON: what was asked for, and where it ran
    SAMPLES = 2  # of bench.sample.LAYOUT, one after the other
    EVENTS = 3  # of streams: EVENTS_HEAD and so many times
    WATCH = 4  # JSON: what a generator saw of itself
    VITALS = 5  # JSON: what was seen of the server
    EXCERPT = 6  # JSON: the beginning of an answer that was no success
    READY = 7  # never on disk
    DONE = 8  # never on disk: a generator has nothing more to say
    END = 9  # JSON: how the trial ended; the last block of a record, or where its room was
    ROOM = 10  # nothing: room for the END, should the disk be full by then


# Of a stream: the intended start, number and attempt of its request, how many events; then <I microseconds since sent.
EVENTS_HEAD = struct.Struct("<qIBI")


class Block(NamedTuple):
    """One block."""

    kind: int
    process: int
    payload: bytes


def pack(kind: Kind, process: int, payload: bytes | bytearray | memoryview) -> bytes:
    """The bytes of a block."""
    return HEAD.pack(kind, process, len(payload)) + payload


class Unpacker:
    """Takes bytes as they come and gives the blocks that are whole."""

    def __init__(self) -> None:
        self._held = bytearray()

    def feed(self, data: bytes) -> Iterator[Block]:
        """The blocks that ``data`` completes."""
        self._held += data
        at = 0
        while len(self._held) - at >= HEAD.size:
            kind, process, length = HEAD.unpack_from(self._held, at)
            end = at + HEAD.size + length
            if len(self._held) < end:
                break
            yield Block(kind, process, bytes(self._held[at + HEAD.size : end]))
            at = end
        del self._held[:at]
