from __future__ import annotations

import os
from pathlib import Path

import pytest

from pfserve.errors import ConfigError
from pfserve.master.pidfile import pidfile


def test_it_holds_the_pid_and_nothing_else_is_left(tmp_path: Path) -> None:
    path = tmp_path / "pid"
    with pidfile(str(path), "--pidfile"):
        assert path.read_text() == f"{os.getpid()}\n"
    assert list(tmp_path.iterdir()) == []


def test_an_old_one_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "pid"
    path.write_text("1\n")
    with pidfile(str(path), "--pidfile"):
        assert path.read_text() == f"{os.getpid()}\n"


def test_the_file_of_another_server_stays(tmp_path: Path) -> None:
    path = tmp_path / "pid"
    with pidfile(str(path), "--pidfile"):
        path.write_text("1\n")
    assert path.read_text() == "1\n"


def test_no_path_means_none() -> None:
    with pidfile("", ""):
        pass


def test_a_path_that_cannot_be_written_is_named_with_its_origin(tmp_path: Path) -> None:
    path = str(tmp_path / "nowhere" / "pid")
    with pytest.raises(ConfigError, match=r"pidfile = .*nowhere/pid.* \(from --pidfile\): cannot be written: No such"):
        pidfile(path, "--pidfile").__enter__()
