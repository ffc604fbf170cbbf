"""What we print about a flow is compared with a file, byte by byte."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from golden import golden_flows


@pytest.fixture(autouse=True)
def clean(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", [str(golden_flows.HERE), *sys.path])  # where the flows find ``house``
    monkeypatch.setattr(sys, "meta_path", list(sys.meta_path))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)


@pytest.mark.parametrize("flow", golden_flows.FLOWS)
def test_a_flow_is_told_as_expected(flow: str) -> None:
    assert golden_flows.told(flow) == (golden_flows.HERE / "flows" / flow / "expected.txt").read_text()


@pytest.mark.parametrize("form", golden_flows.OTHER_FORMS)
def test_a_flow_is_told_in_other_forms(form: str) -> None:
    expected = golden_flows.HERE / "flows" / "classify" / f"expected.{form}"
    assert golden_flows.told("classify", form) == expected.read_text()


def test_telling_twice_gives_the_same() -> None:
    assert golden_flows.told("diamond") == golden_flows.told("diamond")


@pytest.mark.parametrize("flow", ["diamond", "broken", "classify"])
def test_the_order_of_hashes_does_not_show(flow: str) -> None:
    def under(seed: str) -> str:
        command = [sys.executable, str(Path(golden_flows.__file__)), flow]
        environment = {"PYTHONHASHSEED": seed, "PYTHONPATH": str(golden_flows.HERE)}
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=True, timeout=60).stdout

    assert under("1") == under("2") == golden_flows.told(flow)
