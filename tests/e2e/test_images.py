"""Images through a real server: in by base64, out in the flow's format, and nothing of the server's own files."""

from __future__ import annotations

import hashlib
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path

import pytest

from serving import Server, serving

PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 100
B = b64encode(PNG).decode()
TEXT = f"Image({hashlib.sha1(PNG).hexdigest()[:8]}) of 108 bytes"
FORMATS = {
    "basic": {"data:image/png;base64": B},
    "openai-vision": {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{B}"}},
}
FLOW = """\
message_format: {message_format}
inputs:
  image: {{type: image, default: logo.png}}
  question: {{type: list, default: []}}
outputs:
  image: {{type: image, reference: "${{echo.output.image}}"}}
  question: {{type: list, reference: "${{inputs.question}}"}}
  text: {{type: string, reference: "${{show.output}}"}}
nodes:
- name: show
  type: prompt
  source: {{type: code, path: show.jinja2}}
  inputs: {{image: "${{inputs.image}}", bytes: "${{echo.output.bytes}}"}}
- name: echo
  type: python
  source: {{type: code, path: echo.py}}
  inputs: {{image: "${{inputs.image}}"}}
"""
TOOL = """\
from promptflow.contracts.multimedia import Image
from promptflow.core import tool


@tool
def echo(image: Image) -> dict:
    assert isinstance(image, Image)
    return {"image": Image(bytes(image)), "bytes": len(image)}
"""


def write(folder: Path, message_format: str) -> Path:
    folder.mkdir()
    (folder / "flow.dag.yaml").write_text(FLOW.format(message_format=message_format))
    (folder / "echo.py").write_text(TOOL)
    (folder / "show.jinja2").write_text("{{image}} of {{bytes}} bytes")
    (folder / "logo.png").write_bytes(PNG)
    return folder


@pytest.fixture(scope="module", params=list(FORMATS))
def message_format(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, message_format: str) -> Iterator[Server]:
    flow = write(tmp_path_factory.mktemp("flows") / "images", message_format)
    with serving(flow, "--workers", "1") as running:
        yield running
        assert "Traceback" not in running.log, "bad input is no bug"


def test_an_image_goes_in_and_out(server: Server, message_format: str) -> None:
    one = FORMATS[message_format]
    for image in (one, B, f"data:image/png;base64,{B}"):
        answer = server.score({"image": image, "question": ["what?", {"deep": [one]}]})
        assert answer.status == 200, answer
        assert answer.json == {
            "image": one,
            "question": ["what?", {"deep": [one]}],
            "text": TEXT,
        }


def test_the_author_may_name_a_file(server: Server, message_format: str) -> None:
    answer = server.score({})
    assert answer.status == 200, answer
    assert answer.json == {"image": FORMATS[message_format], "question": [], "text": TEXT}


@pytest.mark.parametrize("path", ["logo.png", "/etc/hostname", "./logo.png"])
def test_a_client_may_not(server: Server, message_format: str, path: str) -> None:
    as_dict = {
        "basic": {"data:image/png;path": path},
        "openai-vision": {"type": "image_file", "image_file": {"path": path}},
    }[message_format]
    for inputs in ({"image": path}, {"image": as_dict}, {"question": [as_dict]}):
        answer = server.score(inputs)
        assert answer.status == 400
        code, message = answer.error
        assert code == "UserError"
        assert message.startswith(f"Failed to load image for input '{next(iter(inputs))}': (InvalidImageInput) ")
        assert "requests may not name local files" in message


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "2130706433", "[::1]", "169.254.169.254"])
def test_nothing_inside_is_fetched(server: Server, host: str) -> None:
    url = f"http://{host}:{server.port}/health"
    answer = server.score({"image": url})
    assert answer.status == 400
    message = f"Failed to load image for input 'image': (InvalidImageInput) Failed to fetch image from URL: {url}."
    assert answer.error == ("UserError", message)


def test_megabytes(server: Server) -> None:
    answer = server.score({"image": b64encode(PNG + bytes(5_000_000)).decode()})
    assert answer.status == 200
    assert len(answer.body) > 6_000_000
