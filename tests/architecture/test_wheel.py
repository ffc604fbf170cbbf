"""What gets installed: exactly two top-level names, and nothing that only a checkout needs."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    out = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(out), str(CHECKOUT)]
    built = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert built.returncode == 0, built.stdout + built.stderr
    [path] = out.glob("pfserve-*.whl")
    return zipfile.ZipFile(path)


@pytest.fixture(scope="module")
def names(wheel: zipfile.ZipFile) -> list[str]:
    return wheel.namelist()


def test_a_wheel_has_two_top_level_names(names: list[str]) -> None:
    packages = {name.split("/")[0] for name in names if ".dist-info/" not in name}
    assert packages == {"pfserve", "pfserve_bench"}


def test_a_wheel_is_typed_and_has_every_room(names: list[str]) -> None:
    assert "pfserve/py.typed" in names
    rooms = {path.parent.name for path in (CHECKOUT / "pfserve").glob("*/__init__.py")}
    assert {f"pfserve/{room}/__init__.py" for room in rooms} <= set(names)
    assert "pfserve_bench/cli.py" in names


def test_a_wheel_brings_both_commands_of_the_readme(wheel: zipfile.ZipFile, names: list[str]) -> None:
    [entry_points] = [name for name in names if name.endswith(".dist-info/entry_points.txt")]
    text = wheel.read(entry_points).decode()
    assert "pfserve = pfserve.cli:main" in text
    assert "pfserve-bench = pfserve_bench.cli:main" in text
