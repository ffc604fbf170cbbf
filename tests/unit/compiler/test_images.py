"""Images that the author wrote: literals of nodes and defaults of inputs, read when the flow is compiled."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pfserve.values import Image, Pending
from unit.compiler.conftest import Flows

PNG = b"\x89PNG\r\n\x1a\n"

HEAD = """\
message_format: {message_format}
inputs:
  a: {{type: {kind}, default: {default}}}
outputs:
  out: {{type: string, reference: "${{work.output}}"}}
nodes:
- name: work
  type: python
  source: {{type: code, path: work.py}}
  inputs: {{a: {literal}}}
"""
TOOL = "from house import tool\nfrom house import Image\n\n\n@tool\ndef work(a{annotation}):\n    return a\n"


@pytest.fixture
def house(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import house  # type: ignore[import-not-found]

    monkeypatch.setattr(house, "Image", Image, raising=False)
    (tmp_path / "sub").mkdir()
    for name in ("logo.png", "sub/in.png"):
        (tmp_path / name).write_bytes(PNG)


pytestmark = pytest.mark.usefixtures("house")


def files(
    kind: str = "string", default: str = "x", literal: str = "x", annotation: str = "", message_format: str = "basic"
) -> dict[str, str]:
    head = HEAD.format(kind=kind, default=default, literal=literal, message_format=message_format)
    return {"flow.dag.yaml": head, "work.py": TOOL.format(annotation=annotation)}


LITERALS = [
    ("logo.png", ": Image", PNG),
    ("./sub/in.png", ": Image", PNG),
    ('{"data:image/jpg;path": sub/in.png}', ": Image", PNG),
    ('[x, {"data:image/jpg;path": sub/in.png}]', ": list", ["x", PNG]),
    ('{k: {"data:image/jpg;path": logo.png}}', "", {"k": PNG}),
    ('\'{"data:image/jpg;path": "logo.png"}\'', "", PNG),
    ('{"data:image/jpg;path": logo.png}', ": str", "{'data:image/jpg;path': 'logo.png'}"),
    ("logo.png", "", "logo.png"),
]


@pytest.mark.parametrize(("literal", "annotation", "expected"), LITERALS)
def test_literals(flows: Flows, literal: str, annotation: str, expected: object) -> None:
    [value] = flows.compile(files(literal=literal, annotation=annotation)).literals
    assert value == expected


def test_a_literal_of_the_vision_format(flows: Flows) -> None:
    literal = "{type: image_file, image_file: {path: logo.png}}"
    plan = flows.compile(files(literal=literal, message_format="OpenAI-Vision"))
    assert plan.message_format == "openai-vision"
    assert type(plan.literals[0]) is Image
    assert type(flows.compile(files(literal=literal)).literals[0]) is dict


def test_a_literal_by_url_is_fetched_later(flows: Flows) -> None:
    assert type(flows.compile(files(literal="http://h/x", annotation=": Image")).literals[0]) is Pending


@pytest.mark.parametrize(
    ("literal", "problem"),
    [
        ("nope.png", "(FileNotFoundError) [Errno 2] No such file or directory: 'nope.png'"),
        ("../x.png", "(InvalidImageInput) The file '../x.png' does not lie in the folder of the flow."),
        ("5", "(InvalidImageInput) Unsupported image input type: <class 'int'>."),
    ],
)
def test_literals_that_are_none(flows: Flows, literal: str, problem: str) -> None:
    [mistake] = flows.mistakes(files(literal=literal, annotation=": Image"))
    assert mistake.startswith("flow.dag.yaml:10: ")
    assert f"Failed to load image for input 'a': {problem}" in mistake


@pytest.mark.parametrize(
    ("kind", "default", "expected"),
    [
        ("image", "logo.png", PNG),
        ("image", '{"data:image/jpg;path": sub/in.png}', PNG),
        ("list", '[x, {"data:image/jpg;path": sub/in.png}]', ["x", PNG]),
        ("object", '{k: {"data:image/jpg;path": logo.png}}', {"k": PNG}),
    ],
)
def test_defaults(flows: Flows, kind: str, default: str, expected: object) -> None:
    plan = flows.compile(files(kind=kind, default=default, literal='"${inputs.a}"'))
    [spec] = plan.inputs
    assert spec.default == expected
    assert not spec.required
    assert spec.images is not None
    schema = json.loads(plan.swagger)["paths"]["/score"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    assert "path" in json.dumps(schema["properties"]["a"]["default"]) or default == "logo.png"


def test_a_default_that_cannot_be_read_is_none(flows: Flows) -> None:
    plan = flows.compile(files(kind="image", default="nope.png", literal='"${inputs.a}"'))
    assert "No such file or directory: 'nope.png'" in plan.inputs[0].refusal
    assert "No such file or directory: 'nope.png'" in "\n".join(plan.warnings)


def test_types_without_images_are_not_searched(flows: Flows) -> None:
    assert flows.compile(files(literal='"${inputs.a}"')).inputs[0].images is None


def test_nodes_out_of_order_keep_the_format(flows: Flows) -> None:
    text = """\
message_format: openai-vision
inputs:
  a: {type: object}
outputs:
  out: {type: string, reference: "${second.output}"}
nodes:
- {name: second, type: python, source: {type: code, path: work.py}, inputs: {a: "${first.output}"}}
- {name: first, type: python, source: {type: code, path: work.py}, inputs: {a: "${inputs.a}"}}
"""
    plan = flows.compile({"flow.dag.yaml": text, "work.py": TOOL.format(annotation="")})
    assert plan.message_format == "openai-vision"
    value = {"type": "image_url", "image_url": {"url": "iVBORw0KGgo="}}
    assert plan.inputs[0].images is not None
    assert type(plan.inputs[0].images(value)) is Image
