"""What a trial shows while it runs: on a terminal one line that fits it, elsewhere nothing."""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import struct
import subprocess
import sys
import termios

import pytest

from bench_runs import CHECKOUT, DATA
from puppet import OK, answering, puppet

LINE = re.compile(r"\d+ s  [\d,]+ ok/s  p50 [\d.]+ \S+  p95 [\d.]+ \S+  p99 [\d.]+ \S+(  [▁-█]+)?")


def shown(columns: int, *args: str) -> str:
    """What a terminal of that width was sent."""
    ours, theirs = os.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    argv = (sys.executable, "-m", "bench", "run", *args)
    process = subprocess.Popen(argv, cwd=CHECKOUT, stdout=subprocess.DEVNULL, stderr=theirs)
    os.close(theirs)
    sent = b""
    with contextlib.suppress(OSError):  # a terminal whose other end is closed
        while piece := os.read(ours, 65536):
            sent += piece
    os.close(ours)
    process.wait(20)
    return sent.decode()


@pytest.mark.parametrize("columns", [40, 120])
def test_a_terminal_shows_one_line_that_is_drawn_over(tmp_path, columns):
    with puppet(answering(OK)) as server:
        asked = (server.url, *DATA, "--rate", "50", "--duration", "1600ms", "--out", str(tmp_path))
        sent = shown(columns, *asked)
    _, *lines = sent.split("\r\x1b[2K")
    assert len(lines) >= 3
    assert lines[-1] == ""  # it is cleared at the end
    assert "\n" not in "".join(lines)
    assert max(map(len, lines)) < columns
    if columns > 100:
        assert any(LINE.fullmatch(line) for line in lines)
        assert any("▁" in line or "█" in line for line in lines)


def test_elsewhere_only_the_place_of_the_record_is_told(tmp_path):
    with puppet(answering(OK)) as server:
        argv = (sys.executable, "-m", "bench", "run", server.url, *DATA, "--rate", "50", "--duration", "300ms")
        done = subprocess.run(
            (*argv, "--out", str(tmp_path)), cwd=CHECKOUT, capture_output=True, text=True, check=False
        )
    [path] = tmp_path.iterdir()
    assert done.stderr == f"recording to {path}\n"
