"""What a flow's requirements say is compared with what is installed."""

from __future__ import annotations

from importlib import metadata
from pathlib import Path

import pytest

from pfserve.compiler.findings import Findings
from pfserve.compiler.requirements import read_requirements
from pfserve.compiler.unmet import unmet
from pfserve.errors import CompileError
from pfserve.flow import SourceSpan
from unit.compiler.conftest import Flows

FLOW = "inputs: {text: {type: string}}\noutputs: {o: {type: string, reference: '${inputs.text}'}}\nnodes: []\n"
CLICK = metadata.version("click")


@pytest.mark.parametrize(
    ("requirement", "problem"),
    [
        ("click", ""),
        ("Click>=1", ""),
        ("click<1", f"the requirement 'click<1' is not met: click {CLICK} is installed"),
        ("no-such-package>=2", "the requirement 'no-such-package>=2' is not met: no-such-package is not installed"),
        ("no-such-package; python_version < '3'", ""),
        ("no-such-package; extra == 'dev'", ""),
        ("no-such-package @ https://example.org/x.whl", "is not met: no-such-package is not installed"),
        ("promptflow[azure]>=9", ""),
        ("promptflow_tools", ""),
        ("promptflow-vectordb", "promptflow-vectordb is not installed"),
        ("https://example.org/x.whl", ""),
        ("./beside", ""),
        ("beside.whl", ""),
        ("==1", "'==1' is no requirement that can be read, and is not checked"),
    ],
)
def test_a_requirement_is_met_or_not(requirement: str, problem: str) -> None:
    found = unmet(requirement)
    assert found.endswith(problem) if problem else not found


def test_extras_need_their_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    needs = ["click; extra == 'good'", "no-such-package>=1; extra == 'bad'", "nor-this"]
    monkeypatch.setattr(metadata, "requires", lambda name: needs)
    assert not unmet("jinja2[good]")
    assert unmet("jinja2[good,bad]").endswith("of its extras no-such-package is not installed")
    assert not unmet("jinja2")


def test_files_are_read_as_pip_reads_them(tmp_path: Path) -> None:
    (tmp_path / "requirements.txt").write_text(
        "\ufeff# a comment\n\n"
        "one>=1  # why\n"
        "two \\\n  >=2\n"
        "--index-url https://example.org/simple\n"
        "-e .\n"
        "-c constraints.txt\n"
        "three==3 --hash=sha256:abc\n"
        "-r more/other.txt\n"
        "four"
    )
    (tmp_path / "more").mkdir()
    (tmp_path / "more" / "other.txt").write_text("five\n-r ../requirements.txt\n-r gone.txt\n")
    findings = Findings()
    found = list(read_requirements(tmp_path / "requirements.txt", "requirements.txt", findings, SourceSpan("f", 0)))
    texts = [" ".join(line.text.split()) for line in found]
    assert texts[:4] == ["one>=1", "two >=2", "three==3", "five"]
    assert texts[-1] == "four"
    assert set(texts) == {"one>=1", "two >=2", "three==3", "four", "five"}
    assert [(line.span.file, line.span.line) for line in found[:4]] == [
        *(("requirements.txt", line) for line in (3, 4, 9)),
        ("more/other.txt", 1),
    ]
    assert any("gone.txt" in warning for warning in findings.warnings)


def test_what_is_lacking_is_warned_of(flows: Flows) -> None:
    files = {
        "flow.dag.yaml": FLOW + "environment: {python_requirements_txt: needs.txt}\n",
        "needs.txt": "no-such-package\n",
        "requirements.txt": "click<1\n",
    }
    assert list(flows.compile(files).warnings) == [
        "needs.txt:1: the requirement 'no-such-package' is not met: no-such-package is not installed",
        f"requirements.txt:1: the requirement 'click<1' is not met: click {CLICK} is installed",
    ]


@pytest.mark.parametrize("environment", ["{python_requirements_txt: ./requirements.txt}", "prepared", "{image: x}"])
def test_the_usual_file_is_read_once(flows: Flows, environment: str) -> None:
    files = {"flow.dag.yaml": f"{FLOW}environment: {environment}\n", "requirements.txt": "click<1\n"}
    assert len(flows.compile(files).warnings) == 1


def test_a_file_that_is_not_there_is_warned_of(flows: Flows) -> None:
    flow = FLOW + "environment:\n  python_requirements_txt: gone.txt\n"
    [warning] = flows.compile({"flow.dag.yaml": flow}).warnings
    assert warning == "flow.dag.yaml:5: there is no requirements file 'gone.txt'"


def test_an_import_that_fails_is_told_with_what_is_lacking(flows: Flows) -> None:
    files = {
        "flow.flex.yaml": "entry: e:f\n",
        "e.py": "import no_such_package\n",
        "requirements.txt": "no-such-package",
    }
    with pytest.raises(CompileError) as failed:
        flows.compile(files)
    assert str(failed.value).splitlines() == [
        "e.py:1: Failed to load python module 'e': fails on import: ModuleNotFoundError: No module named "
        "'no_such_package'",
        "requirements.txt:1: the requirement 'no-such-package' is not met: no-such-package is not installed (warning)",
    ]
