"""Which kind a flow file is: its content decides, not its name."""

from __future__ import annotations

from pathlib import Path

import pytest

from pfserve.errors import CompileError
from pfserve.flow import FlexSource, FlowSource, read_flow

FLEX = """
$schema: x
entry: package.module:Class
inputs:
  text: {type: string, default: hi}
init:
  model: {type: string, default: gpt}
sample:
  inputs: {text: sampled}
  init: {model: other}
"""


@pytest.mark.parametrize("name", ["flow.dag.yaml", "flow.flex.yaml", "flow.flex.yml", "other.yaml"])
def test_an_entry_makes_a_flex_flow_whatever_the_file_is_called(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text(FLEX)
    source = read_flow(tmp_path / name)
    assert isinstance(source, FlexSource)
    assert (source.entry.text, source.entry.span.line) == ("package.module:Class", 3)
    assert [(one.name, one.type, one.default) for one in source.inputs] == [("text", "string", "hi")]
    assert [(one.name, one.default) for one in source.init] == [("model", "gpt")]
    assert (source.sample_inputs, source.sample_init) == ({"text": "sampled"}, {"model": "other"})


def test_without_an_entry_it_is_a_dag(tmp_path: Path) -> None:
    (tmp_path / "flow.flex.yaml").write_text("nodes: []\n")
    assert isinstance(read_flow(tmp_path), FlowSource)


def test_what_is_no_mapping_is_no_flow(tmp_path: Path) -> None:
    (tmp_path / "flow.dag.yaml").write_text("- entry\n")
    with pytest.raises(CompileError, match="a flow is a mapping"):
        read_flow(tmp_path)


def test_parts_of_a_sample_may_stand_in_files(tmp_path: Path) -> None:
    (tmp_path / "inputs.json").write_text('{"text": ["a"]}')
    (tmp_path / "sample.yaml").write_text("init: {model: m}\ninputs: ${file:./inputs.json}\n")
    (tmp_path / "flow.flex.yaml").write_text("entry: a:f\nsample: ${file:./sample.yaml}\n")
    source = read_flow(tmp_path)
    assert isinstance(source, FlexSource)
    assert (source.sample_inputs, source.sample_init) == ({"text": ["a"]}, {"model": "m"})
    assert not source.mistakes


def test_a_sample_that_cannot_be_read_is_ignored_with_a_warning(tmp_path: Path) -> None:
    (tmp_path / "bad.json").write_text("{")
    (tmp_path / "flow.flex.yaml").write_text(
        "entry: a:f\nsample:\n  inputs: ${file:gone.json}\n  init: ${file:bad.json}\n"
    )
    source = read_flow(tmp_path)
    assert isinstance(source, FlexSource)
    assert (source.sample_inputs, source.sample_init, source.mistakes) == ({}, {}, ())
    assert [warning.message[:40] for warning in source.warnings] == [
        "the sample's file 'gone.json' cannot be ",
        "invalid YAML: while parsing a flow node,",
    ]
