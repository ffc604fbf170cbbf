"""From the file to its parts, and what is wrong with a file's shape."""

from __future__ import annotations

from pathlib import Path

import pytest

from pfserve.errors import CompileError
from pfserve.flow import ActivateSource, FlowSource, NodeInputSource, SourceSpan, read_flow


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def parse(text: str, folder: str = "echo") -> FlowSource:
    Path(folder).mkdir(exist_ok=True)
    Path(folder, "flow.dag.yaml").write_text(text)
    return read_flow(Path(folder))


def mistakes(text: str) -> list[str]:
    return [str(mistake) for mistake in parse(text).mistakes]


FLOW = """$schema: x
inputs:
  text:
    type: string
    default: a
    description: what
    is_chat_input: true
  other: {type: int}
outputs:
  out:
    type: string
    reference: ${b.output}
    evaluation_only: true
nodes:
- name: a
  type: prompt
  source:
    type: code
    path: a.jinja2
  inputs:
    text: ${inputs.text}
    n: 5
- name: b
  type: python
  source: {path: b.py}
  activate:
    when: ${a.output}
    is: null
  reduce: true
environment_variables:
  NUMBER: 5
  FLAG: true
  LIST: [1, "x"]
  MAP: {a: 1}
  NOTHING:
"""


def test_the_parts_of_a_flow(tmp_path: Path) -> None:
    source = parse(FLOW)
    file = "echo/flow.dag.yaml"
    assert source.path == tmp_path / file
    assert source.folder == tmp_path / "echo"
    assert (source.name, source.span, source.mistakes) == ("echo", SourceSpan(file, 0), ())
    text, other = source.inputs
    assert (text.name, text.type, text.default, text.description) == ("text", "string", "a", "what")
    assert (text.is_chat_input, text.is_chat_history, text.span.line) == (True, False, 3)
    assert (other.type, other.default, other.span.line) == ("int", None, 8)
    [out] = source.outputs
    assert (out.name, out.reference, out.evaluation_only, out.span.line) == ("out", "${b.output}", True, 12)
    a, b = source.nodes
    assert (a.name, a.type.text, a.source_type.text, a.source_path.text, a.span.line) == (
        "a",
        "prompt",
        "code",
        "a.jinja2",
        15,
    )
    assert a.source_path.span.line == 19
    assert a.inputs == (
        NodeInputSource("text", "${inputs.text}", SourceSpan(file, 21)),
        NodeInputSource("n", 5, SourceSpan(file, 22)),
    )
    assert (b.source_type.text, b.source_path.text, b.aggregation, a.aggregation) == ("code", "b.py", True, False)
    assert b.activate == ActivateSource("${a.output}", None, True, SourceSpan(file, 26))


def test_environment_variables_become_texts() -> None:
    assert parse(FLOW).environment == {
        "NUMBER": "5",
        "FLAG": "True",
        "LIST": '[1, "x"]',
        "MAP": '{"a": 1}',
        "NOTHING": "None",
    }


@pytest.mark.parametrize("text", ["inputs:\noutputs:\nnodes:\n", "nodes: []\n", "inputs: {}\n", "zork: 1\n"])
def test_every_section_may_be_missing_or_null(text: str) -> None:
    source = parse(text)
    assert (source.inputs, source.outputs, source.nodes, source.mistakes) == ((), (), (), ())


SHAPES = {
    "inputs: []\n": ["echo/flow.dag.yaml:1: 'inputs' must be a mapping"],
    "inputs:\n  a: 5\n": ["echo/flow.dag.yaml:2: input 'a' must be a mapping"],
    "inputs:\n  a:\n": ["echo/flow.dag.yaml:2: input 'a' has no 'type'"],
    "inputs:\n  a: {type: 5}\n": ["echo/flow.dag.yaml:2: 'type' must be a text"],
    "inputs:\n  a: {type: int, is_chat_input: maybe}\n": [
        "echo/flow.dag.yaml:2: 'is_chat_input' must be true or false"
    ],
    "outputs:\n  a: {reference: x}\n": ["echo/flow.dag.yaml:2: output 'a' has no 'type'"],
    "nodes: {}\n": ["echo/flow.dag.yaml:1: 'nodes' must be a list"],
    "nodes:\n- a\n": ["echo/flow.dag.yaml:2: a node must be a mapping"],
    "nodes:\n- type: python\n": ["echo/flow.dag.yaml:2: a node has no 'name'"],
    "nodes:\n- name: 5\n": [
        "echo/flow.dag.yaml:2: 'name' must be a text",
        "echo/flow.dag.yaml:2: a node has no 'name'",
    ],
    "nodes:\n- name: a\n  source: x\n": ["echo/flow.dag.yaml:3: 'source' of node 'a' must be a mapping"],
    "nodes:\n- name: a\n  inputs: [x]\n": ["echo/flow.dag.yaml:3: 'inputs' of node 'a' must be a mapping"],
    "nodes:\n- name: a\n  activate: x\n": ["echo/flow.dag.yaml:3: 'activate' of node 'a' must be a mapping"],
    "node_variants:\n  a:\n    variants:\n      v: {node: 5}\n": [
        "echo/flow.dag.yaml:4: 'node' of variant 'v' must be a mapping"
    ],
    "environment_variables: 5\n": ["echo/flow.dag.yaml:1: 'environment_variables' must be a mapping"],
    "language: [x]\n": ["echo/flow.dag.yaml:1: 'language' must be a text"],
}


@pytest.mark.parametrize("text", SHAPES)
def test_a_wrong_shape_is_kept_for_the_compiler(text: str) -> None:
    assert mistakes(text) == SHAPES[text]


@pytest.mark.parametrize("text", ["", "- a\n", "just text\n"])
def test_a_file_that_is_no_mapping_is_no_flow(text: str) -> None:
    with pytest.raises(CompileError, match="a flow is a mapping with 'inputs', 'outputs' and 'nodes'"):
        parse(text)


def test_variants() -> None:
    source = parse(
        "node_variants:\n  a:\n    default_variant_id: v0\n    variants:\n"
        "      v0:\n        node:\n          type: python\n          source: {type: code, path: a.py}\n"
        "      v1: {node: {type: llm}}\n      empty:\n"
    )
    [variants] = source.variants
    assert (variants.node, variants.default_id) == ("a", "v0")
    assert [(name, body.name, body.type.text) for name, body in variants.variants] == [
        ("v0", "a", "python"),
        ("v1", "a", "llm"),
    ]


def test_nothing_of_the_flow_is_run_or_resolved() -> None:
    Path("echo").mkdir()
    Path("echo/bad.py").write_text("raise SystemExit(1)\n")
    source = parse("nodes:\n- {name: a, type: python, source: {path: bad.py}, inputs: {x: '${nowhere.output}'}}\n")
    assert source.nodes[0].inputs[0].value == "${nowhere.output}"


def test_shown_paths_lie_beside_the_flow_file(tmp_path: Path) -> None:
    source = parse("nodes: []\n")
    assert source.shown(tmp_path / "echo" / "sub" / "x.py") == "echo/sub/x.py"
    assert source.shown(Path("/elsewhere/x.py")) == "/elsewhere/x.py"


def test_a_file_that_cannot_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path) -> bytes:
        raise PermissionError(13, "Permission denied")

    (tmp_path / "flow.dag.yaml").touch()
    monkeypatch.setattr(Path, "read_bytes", refuse)
    with pytest.raises(CompileError, match=r"^flow\.dag\.yaml: cannot be read: Permission denied$"):
        read_flow(tmp_path)
