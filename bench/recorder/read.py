"""Reads a record, also one that ends in the middle."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path

import msgspec

from ..blocks import Block, Kind, Unpacker
from ..mistake import Mistake
from ..sample import LAYOUT, NOT_TOLD
from .header import FORMAT, MAGIC, UNTOLD_FORMAT, End, Header

_PIECE_BYTES = 1 << 20
_UNTOLD = struct.pack("<II", NOT_TOLD, NOT_TOLD)


class Record(msgspec.Struct, frozen=True):
    """A file that holds one."""

    path: Path
    header: Header

    def blocks(self) -> Iterator[Block]:
        """Every whole block but the header, in the order of the file."""
        blocks = (block for block in _blocks(self.path) if block.kind not in (Kind.HEADER, Kind.ROOM))
        return map(_widened, blocks) if self.header.format == UNTOLD_FORMAT else blocks


def read(path: Path) -> Record:
    """The record in ``path``. Raises Mistake if it is none."""
    try:
        first = next(_blocks(path), None)
        if first is None or first.kind != Kind.HEADER:
            raise Mistake(f"{path}: the header is missing")
        version = msgspec.json.decode(first.payload).get("format")
        if version not in (UNTOLD_FORMAT, FORMAT):
            raise Mistake(f"{path}: its format is {version}, this program reads {UNTOLD_FORMAT} and {FORMAT}")
        return Record(path, msgspec.json.decode(first.payload, type=Header))
    except (OSError, msgspec.DecodeError) as problem:
        raise Mistake(f"{path}: {problem}") from problem


def decode_end(block: Block) -> End:
    """The last block's content."""
    return msgspec.json.decode(block.payload, type=End)


def _widened(block: Block) -> Block:
    if block.kind != Kind.SAMPLES:
        return block
    size = LAYOUT.size - len(_UNTOLD)
    samples = (block.payload[at : at + size] for at in range(0, len(block.payload), size))
    return block._replace(payload=b"".join(sample + _UNTOLD for sample in samples))


def _blocks(path: Path) -> Iterator[Block]:
    unpacker = Unpacker()
    with path.open("rb") as file:
        if file.read(len(MAGIC)) != MAGIC:
            raise Mistake(f"{path}: this is no record of pfserve-bench")
        while piece := file.read(_PIECE_BYTES):
            yield from unpacker.feed(piece)
