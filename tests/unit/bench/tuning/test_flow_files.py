"""Trials of two flows are not compared."""

from __future__ import annotations

import msgspec
import pytest

from bench.mistake import Mistake
from bench.tuning.flow_files import changed, digests, lasting
from bench.tuning.measure import Site
from bench.tuning.record import Question
from bench.tuning.run import _TOLD_BY, _check_flow, _others
from tunings import tuning


@pytest.fixture
def flow(tmp_path):
    folder = tmp_path / "flow"
    (folder / "__pycache__").mkdir(parents=True)
    (folder / ".promptflow").mkdir()
    (folder / "out").mkdir()
    for name in ("a.py", "__pycache__/a.pyc", ".promptflow/log", "out/tuning.json"):
        (folder / name).write_text("1")
    (folder / "flow.dag.yaml").write_text("additional_includes: [../shared, ../one.py]\n")
    (tmp_path / "shared").mkdir()
    for name in ("shared/b.py", "one.py", "model.yaml"):
        (tmp_path / name).write_text("1")
    return folder


def seen(flow):
    return digests(flow, (f"--connections={flow.parent / 'model.yaml'}", "--threads", "2"), flow / "out")


@pytest.mark.parametrize("name", ["a.py", "flow.dag.yaml", "../shared/b.py", "../one.py", "../model.yaml"])
def test_a_file_of_the_flow_that_changes_or_goes_is_noticed(flow, name):
    before = seen(flow)
    assert changed(before, seen(flow)) == []
    text = (flow / name).read_text()
    (flow / name).write_text(f"{text}# another")
    assert [path.rpartition("/")[2] for path in changed(before, seen(flow))] == [name.rpartition("/")[2]]
    (flow / name).write_text(text)
    assert changed(before, seen(flow)) == []
    if name != "flow.dag.yaml":
        (flow / name).unlink()
        assert len(changed(before, seen(flow))) == 1


def test_what_serving_writes_is_not_the_flow(flow):
    before = seen(flow)
    for name in ("__pycache__/a.pyc", ".promptflow/log", "out/tuning.json", "new.log"):
        (flow / name).write_text("2")
    assert changed(before, seen(flow)) == []
    (flow / "a.py").write_text("counted: 2")
    kept = lasting(before, seen(flow))
    (flow / "a.py").write_text("counted: 3")
    assert changed(kept, seen(flow)) == []


def test_a_prompty_is_its_file(tmp_path):
    (tmp_path / "a.prompty").write_text("hello")
    (tmp_path / "other.txt").write_text("hello")
    assert list(digests(tmp_path / "a.prompty", (), tmp_path / "out")) == [str(tmp_path / "a.prompty")]


@pytest.mark.parametrize("text", ["[", "- 1\n", "additional_includes: 7\n", "additional_includes: [nowhere.py]\n"])
def test_a_flow_file_that_is_none_stops_nothing(flow, text):
    (flow / "flow.dag.yaml").write_text(text)
    assert str(flow / "a.py") in seen(flow)


def test_a_flow_that_changed_is_refused_by_name(flow):
    site = Site(flow, (), None, 2, 5.0, 0, flow / "out")
    begun = msgspec.structs.replace(tuning(None), flow_files=digests(flow, (), flow / "out"))
    _check_flow(begun, site)
    _check_flow(tuning(None), site)  # of a file that says nothing of it
    (flow / "a.py").write_text("2")
    with pytest.raises(Mistake, match=r"a\.py changed: give another --out, or remove this one to begin anew"):
        _check_flow(begun, site)


def test_another_question_is_told_by_its_options():
    assert set(_TOLD_BY) == set(Question.__struct_fields__)
    old = msgspec.json.decode(msgspec.json.encode(tuning(None).question), type=Question)
    assert _others(old, tuning(None).question) == []
    assert _others(old, msgspec.structs.replace(old, load_s=1.0, bodies_sha256="x")) == [
        "--payload or --data",
        "--load",
    ]
