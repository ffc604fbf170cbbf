from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from pfserve.master.control_paths import beside, by_port, make_private, require_private, short


def test_where_it_is(tmp_path: Path) -> None:
    assert beside("/run/x.pid") == "/run/x.pid.control"
    assert by_port(str(tmp_path), 8080) == f"{tmp_path}/pfserve/port-8080.control"
    for absent in ("", "relative", str(tmp_path / "absent")):
        assert by_port(absent, 1) == f"/tmp/pfserve-{os.geteuid()}/port-1.control"


def test_the_folder_is_private(tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    make_private(str(folder))
    make_private(str(folder))
    assert folder.stat().st_mode & 0o777 == 0o700
    folder.chmod(0o755)
    with pytest.raises(PermissionError):
        make_private(str(folder))


def test_who_asks_sees_whose_folder_it_is(tmp_path: Path) -> None:
    """Anybody can make ``/tmp/pfserve-0`` before root does."""
    with pytest.raises(FileNotFoundError):
        require_private(str(tmp_path / "none"))
    tmp_path.chmod(0o777)
    with pytest.raises(PermissionError):
        require_private(str(tmp_path))
    tmp_path.chmod(0o700)
    require_private(str(tmp_path))


def test_a_link_to_a_folder_is_not_taken_for_one(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir(mode=0o700)
    (tmp_path / "link").symlink_to(tmp_path / "real")
    with pytest.raises(PermissionError):
        make_private(str(tmp_path / "link"))


def test_a_path_of_any_length_fits_into_an_address(tmp_path: Path) -> None:
    folder = tmp_path / ("x" * 200)
    folder.mkdir()
    with socket.socket(socket.AF_UNIX) as listener, short(str(folder / "a.control")) as name:
        listener.bind(name)
    assert (folder / "a.control").is_socket()
