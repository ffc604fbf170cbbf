from __future__ import annotations

from pathlib import Path

import pytest

from pfserve.errors import CompileError
from pfserve.flow import flow_name, locate_flow

FOUND = [
    # files in the folder, what is asked for, what is found
    (["flow.dag.yaml"], "", "flow.dag.yaml"),
    (["flow.dag.yml"], "", "flow.dag.yml"),
    (["flow.flex.yaml", "a.prompty", "b.prompty"], "", "flow.flex.yaml"),
    (["flow.flex.yml", "other.yaml"], "", "flow.flex.yml"),
    (["a.prompty"], "", "a.prompty"),
    (["flow.dag.yaml", "other.yaml"], "other.yaml", "other.yaml"),
    (["flow.dag.yaml", "a.prompty"], "a.prompty", "a.prompty"),
    (["Flow.YAML"], "Flow.YAML", "Flow.YAML"),
]


@pytest.mark.parametrize(("files", "asked", "found"), FOUND)
def test_found(tmp_path: Path, files: list[str], asked: str, found: str) -> None:
    for name in files:
        (tmp_path / name).touch()
    assert locate_flow(tmp_path / asked) == tmp_path / found


REFUSED = [
    (
        ["flow.dag.yaml", "flow.flex.yml"],
        "",
        "Multiple files flow.dag.yaml, flow.flex.yml exist in {}. Please specify a file or remove the extra YAML file.",
    ),
    ([], "", "Have found neither flow.dag.yaml nor flow.flex.yaml in {}"),
    (["my.yaml"], "", "Have found neither flow.dag.yaml nor flow.flex.yaml in {}"),
    (
        ["a.prompty", "b.prompty"],
        "",
        "Have found neither flow.dag.yaml nor flow.flex.yaml in {} and there are more than 1 prompty file.",
    ),
    ([], "nothing", "there is no such file or folder"),
    (["x.txt"], "x.txt", "a flow file ends in .yaml, .yml, .prompty, not in '.txt'"),
]


@pytest.mark.parametrize(("files", "asked", "message"), REFUSED)
def test_refused(tmp_path: Path, files: list[str], asked: str, message: str) -> None:
    for name in files:
        (tmp_path / name).touch()
    with pytest.raises(CompileError) as caught:
        locate_flow(tmp_path / asked)
    [diagnostic] = caught.value.diagnostics
    assert diagnostic.message == message.format(tmp_path)
    assert diagnostic.file == str(tmp_path / asked)
    assert caught.value.exit_code == 3


def test_the_folder_above_is_told_where_the_flow_is(tmp_path: Path) -> None:
    """As in a docker export, which has the flow beside its connections."""
    (tmp_path / "connections").mkdir()
    (tmp_path / "flow").mkdir()
    (tmp_path / "flow" / "flow.dag.yaml").touch()
    with pytest.raises(CompileError, match=f"nor flow.flex.yaml in {tmp_path}; did you mean {tmp_path}/flow\\?$"):
        locate_flow(tmp_path)


def test_a_path_is_made_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "flow.dag.yaml").touch()
    monkeypatch.chdir(tmp_path)
    assert locate_flow(Path(".")) == tmp_path / "flow.dag.yaml"


@pytest.mark.parametrize(("folder", "name"), [("echo", "echo"), ("my.flow", "my"), ("a.b.c", "a.b")])
def test_the_name_is_the_folders_without_its_final_suffix(tmp_path: Path, folder: str, name: str) -> None:
    assert flow_name(tmp_path / folder / "flow.dag.yaml") == name


MODEL = "flavors:\n  promptflow:\n    entry: inner.v1/flow.dag.yaml\n"


def test_a_models_folder_means_the_flow_that_it_names(tmp_path: Path) -> None:
    (tmp_path / "model.v2" / "inner.v1").mkdir(parents=True)
    (tmp_path / "model.v2" / "inner.v1" / "flow.dag.yaml").touch()
    (tmp_path / "model.v2" / "MLmodel").write_text(MODEL)
    assert locate_flow(tmp_path / "model.v2") == tmp_path / "model.v2" / "inner.v1" / "flow.dag.yaml"
    assert flow_name(tmp_path / "model.v2") == "model.v2"


@pytest.mark.parametrize("model", ["{}", "flavors: {python_function: {}}", "flavors: [1]", "5", ""])
def test_a_model_of_something_else_is_a_folder_like_others(tmp_path: Path, model: str) -> None:
    (tmp_path / "MLmodel").write_text(model)
    (tmp_path / "flow.dag.yaml").touch()
    assert locate_flow(tmp_path) == tmp_path / "flow.dag.yaml"
