"""What a flow includes from elsewhere, merged into a copy of its folder."""

from __future__ import annotations

import sys
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pfserve.compiler import includes, remove_copies

if TYPE_CHECKING:
    from conftest import Flows

FLOW = """additional_includes: %s
outputs:
  out: {type: string, reference: "${a.output}"}
nodes:
- {name: a, type: python, source: {path: a.py}, inputs: {}}
"""
OWN = "from house import tool\nimport helper\n@tool\ndef a():\n    return helper.VALUE\n"


@pytest.fixture(autouse=True)
def temporary(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("temporary")
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    yield folder
    sys.modules.pop("helper", None)


@pytest.fixture
def beside(flows: Flows) -> Flows:
    """Things outside of the flow's folder."""
    flows.write(
        {
            "shared/helper.py": "from pathlib import Path\nVALUE = Path('shared/data.txt').read_text()\n",
            "shared/data.txt": "data",
            "shared/sub/deep.txt": "deep",
            "shared/__pycache__/x.pyc": "",
            "other/helper.py": "VALUE = 'other'\n",
        }
    )
    flows.folder = flows.folder / "flow"
    return flows


def test_a_flow_without_them_stays_where_it_is(flows: Flows, temporary: Path) -> None:
    plan = flows.compile({"flow.dag.yaml": FLOW % "[]", "a.py": OWN, "helper.py": "VALUE = 1\n"})
    assert plan.folder == str(flows.folder)
    assert not list(temporary.iterdir())


def test_files_and_folders_lie_beside_the_flows_own(beside: Flows) -> None:
    plan = beside.compile(
        {"flow.dag.yaml": FLOW % "[../shared/helper.py, ../shared]", "a.py": OWN, "own/o.txt": "o", ".git/x": ""}
    )
    folder = Path(plan.folder)
    assert plan.flow_name == "flow"
    assert plan.steps[0].function() == "data"
    assert sorted(str(path.relative_to(folder)) for path in folder.rglob("*.*") if path.suffix != ".pyc") == [
        "a.py",
        "flow.dag.yaml",
        "helper.py",
        "own/o.txt",
        "shared/data.txt",
        "shared/helper.py",
        "shared/sub/deep.txt",
    ]
    assert not (beside.folder / "helper.py").exists()


def test_what_is_included_wins(beside: Flows) -> None:
    files = {"flow.dag.yaml": FLOW % "../other/helper.py", "a.py": OWN, "helper.py": "VALUE = 'own'\n"}
    assert beside.compile(files).steps[0].function() == "other"


def test_a_zip_that_does_not_exist_is_the_folder_packed(beside: Flows) -> None:
    plan = beside.compile({"flow.dag.yaml": FLOW % "[../shared.zip, ../other/helper.py]", "a.py": OWN})
    names = zipfile.ZipFile(Path(plan.folder) / "shared.zip").namelist()
    assert "shared/sub/deep.txt" in names


def test_a_mistake_in_an_included_file_is_told_where_the_author_has_it(beside: Flows) -> None:
    beside.write({"../other/helper.py": "\n1 / 0\n"})
    files = {"flow.dag.yaml": FLOW % "[../other/helper.py]", "a.py": OWN}
    assert beside.mistakes(files) == ["other/helper.py:2: fails on import: ZeroDivisionError: division by zero"]


def test_what_cannot_be_found_is_told(beside: Flows) -> None:
    files = {"flow.dag.yaml": FLOW % "\n- ../nowhere\n- 5", "a.py": "from house import tool\n@tool\ndef a(): ...\n"}
    assert beside.mistakes(files) == [
        "flow/flow.dag.yaml:2: Unable to find additional include ../nowhere",
        "flow/flow.dag.yaml:3: 'additional_includes' must be a list of paths",
    ]


def test_copies_that_nobody_holds_are_removed(beside: Flows, temporary: Path) -> None:
    left = temporary / "pfserve-includes-left"
    (left / "sub").mkdir(parents=True)
    files = {"flow.dag.yaml": FLOW % "[../other/helper.py]", "a.py": OWN}
    first = beside.compile(files).folder
    assert not left.exists()
    assert beside.compile(files).folder != first
    assert Path(first).exists()  # this process still holds it
    remove_copies()
    assert not list(temporary.iterdir())


def test_where_nothing_can_be_written_that_is_told(beside: Flows, monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a container with a read-only file system and no volume at /tmp."""

    def refuse() -> str:
        raise FileNotFoundError(2, "No usable temporary directory found in ['/tmp']")

    monkeypatch.setattr(tempfile, "gettempdir", refuse)
    files = {"flow.dag.yaml": FLOW % "[../shared]", "a.py": "from house import tool\n@tool\ndef a(): ...\n"}
    [found] = beside.mistakes(files)
    assert "No usable temporary directory found in ['/tmp']; TMPDIR may name a folder" in found


def test_a_folder_that_holds_the_copy_is_refused(beside: Flows, temporary: Path) -> None:
    [found] = beside.mistakes({"flow.dag.yaml": FLOW % "[/]", "a.py": "from house import tool\n@tool\ndef a(): ...\n"})
    assert found == (
        "flow/flow.dag.yaml:1: the additional include / cannot be copied: "
        f"/ holds the folder for temporary files, {temporary}"
    )


def test_more_than_a_copy_may_hold_is_refused(beside: Flows, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(includes, "_MOST_BYTES", 1 << 30)
    with (beside.folder.parent / "large").open("wb") as file:
        file.truncate((1 << 30) + 1)
    files = {"flow.dag.yaml": FLOW % "[../large]", "a.py": "from house import tool\n@tool\ndef a(): ...\n"}
    assert beside.mistakes(files) == [
        "flow/flow.dag.yaml:1: the additional include ../large cannot be copied: with it the flow has more than 1 GiB"
    ]


def test_a_link_to_a_device_is_refused(beside: Flows) -> None:
    """A copy of /dev/zero would fill the disk."""
    (beside.folder.parent / "endless").symlink_to("/dev/zero")
    mistakes = beside.mistakes({"flow.dag.yaml": FLOW % "[../endless]", "a.py": OWN})
    assert any("neither a file nor a folder" in mistake for mistake in mistakes), mistakes
