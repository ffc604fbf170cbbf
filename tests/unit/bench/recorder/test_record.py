"""Records: whole, cut short at every byte, and on a disk that is full."""

from __future__ import annotations

import errno
import os
import struct

import msgspec
import pytest

from bench.blocks import Kind, Unpacker, pack
from bench.mistake import Mistake
from bench.recorder import DiskProblem, End, Header, Writer, read
from bench.recorder.header import FORMAT, MAGIC
from bench.recorder.read import decode_end
from bench.sample import LAYOUT, NOT_TOLD, Sample
from bench.schedule import Closed, Span

HEADER = Header(
    format=FORMAT,
    target="http://h:1/score",
    method="POST",
    load=Closed(4),
    span=Span(measured_s=10),
    seed=1,
    processes=1,
    connections=4,
    max_in_flight=10,
    timeout_s=60,
    retries=0,
    headers=["Authorization"],
    bodies=1,
    bodies_sha256="0" * 64,
    closes=False,
    machine={"date": "today"},
    system=["pfserve"],
)


@pytest.fixture
def writer(tmp_path):
    writer = Writer(tmp_path / "folder" / "a.pftrial")
    writer.start(HEADER)
    return writer


def test_what_was_written_is_read(writer):
    writer.block(Kind.SAMPLES, 3, b"abc")
    writer.block(Kind.WATCH, 0, b"")
    writer.finish(End(complete=True))
    record = read(writer.path)
    assert record.header == HEADER
    blocks = list(record.blocks())
    assert [tuple(block) for block in blocks[:2]] == [(Kind.SAMPLES, 3, b"abc"), (Kind.WATCH, 0, b"")]
    assert decode_end(blocks[2]) == End(complete=True)


def test_a_record_cut_anywhere_keeps_its_whole_blocks(writer):
    begin = writer.path.stat().st_size
    for number in range(3):
        writer.block(Kind.SAMPLES, number, b"x" * 5)
    data = writer.path.read_bytes()
    size = (len(data) - begin) // 3
    for cut in range(begin, len(data) + 1):
        writer.path.write_bytes(data[:cut])
        assert len(list(read(writer.path).blocks())) == (cut - begin) // size


def test_a_full_disk_is_told_and_the_record_ends_with_a_whole_block(writer, monkeypatch):
    writer.block(Kind.SAMPLES, 0, b"kept")
    kept, write = writer.path.read_bytes(), os.write

    def full(fd, data):
        if len(data) <= 4:
            raise OSError(errno.ENOSPC, "No space left on device")
        return write(fd, data[:4])

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(DiskProblem, match=r"a\.pftrial: No space left on device, after [\d,]+ bytes"):
        writer.block(Kind.SAMPLES, 0, b"lost")
    assert writer.path.read_bytes() == kept
    writer.finish(End(complete=False, reason="the disk is full"))
    monkeypatch.undo()
    assert writer.path.stat().st_size == len(kept)
    end, samples = read(writer.path).blocks()
    assert decode_end(end) == End(complete=False, reason="the disk is full")
    assert samples == (Kind.SAMPLES, 0, b"kept")


def test_a_record_is_never_overwritten(writer):
    with pytest.raises(DiskProblem, match="File exists"):
        Writer(writer.path).start(HEADER)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "no record of pfserve-bench"),
        (b"something else", "no record of pfserve-bench"),
        (MAGIC, "the header is missing"),
        (MAGIC + pack(Kind.SAMPLES, 0, b""), "the header is missing"),
        (MAGIC + pack(Kind.HEADER, 0, b'{"format": 99}'), "its format is 99, this program reads 1 and 2"),
        (MAGIC + pack(Kind.HEADER, 0, b'{"format": 1}'), "missing required field"),
        (MAGIC + pack(Kind.HEADER, 0, b"{"), "truncated"),
    ],
)
def test_what_is_no_record(tmp_path, data, said):
    (tmp_path / "a").write_bytes(data)
    with pytest.raises(Mistake, match=said):
        read(tmp_path / "a")


def test_no_file(tmp_path):
    with pytest.raises(Mistake, match="No such file"):
        read(tmp_path / "nothing")


@pytest.mark.parametrize("piece", [1, 5, 100])
def test_blocks_are_unpacked_from_any_pieces(piece):
    data = pack(Kind.SAMPLES, 1, b"abc") + pack(Kind.DONE, 2, b"")
    unpacker, found = Unpacker(), []
    for start in range(0, len(data), piece):
        found += unpacker.feed(data[start : start + piece])
    assert [tuple(block) for block in found] == [(Kind.SAMPLES, 1, b"abc"), (Kind.DONE, 2, b"")]


def test_a_record_made_before_servers_told_their_times_is_read(tmp_path):
    older = struct.Struct("<qqqqIIIIIHBBB")
    samples = [(number, 1, 2, 3, 4, 5, 6, 7, 8, 200, 0, 0, 1) for number in range(3)]
    writer = Writer(tmp_path / "a.pftrial")
    writer.start(msgspec.structs.replace(HEADER, format=1))
    writer.block(Kind.SAMPLES, 2, b"".join(older.pack(*sample) for sample in samples))
    writer.block(Kind.WATCH, 0, b"{}")
    writer.finish(End(complete=True))
    first, second, last = read(writer.path).blocks()
    assert (first.kind, first.process) == (Kind.SAMPLES, 2)
    found = [Sample._make(fields) for fields in LAYOUT.iter_unpack(first.payload)]
    assert found == [Sample(*sample, NOT_TOLD, NOT_TOLD) for sample in samples]
    assert (second.payload, decode_end(last)) == (b"{}", End(complete=True))
