"""Tools of packages and built-in ones through a real server, and what services and clients can send them."""

from __future__ import annotations

import json
import struct
import subprocess
import sys
import threading
import zlib
from base64 import b64encode
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from serving import Server, serving

ROOT = str(Path(__file__).parents[2])
LONG = 1 << 20
TOOLS = """\
import asyncio
from promptflow.core import tool

@tool
async def wait(text: str):
    await asyncio.sleep(0)
    return text

@tool
def odd(text: str):
    return {"kept": text, "lost": object()}
"""
BOMB = b64encode(
    b"\x89PNG\r\n\x1a\n"
    + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in (
            (b"IHDR", struct.pack(">IIBBBBB", 50_000, 50_000, 8, 6, 0, 0, 0)),
            (b"IDAT", zlib.compress(bytes(1000))),
            (b"IEND", b""),
        )
    )
).decode()


class Service:
    """Answers what the test says, and remembers what it was asked."""

    def __init__(self) -> None:
        self.answer: tuple[int, bytes] = (200, b"{}")
        self.asked: list[tuple[str, object]] = []
        service = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                service.asked.append((self.path, json.loads(body)))
                status, said = service.answer
                self.send_response(status)
                self.send_header("Content-Length", str(len(said)))
                self.end_headers()
                self.wfile.write(said)

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture(scope="module")
def service() -> Iterator[Service]:
    one = Service()
    yield one
    one.close()


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with an installed package of tools."""
    root = tmp_path_factory.mktemp("site")
    meta = root / "shelf-1.0.dist-info"
    meta.mkdir()
    (meta / "METADATA").write_text("Metadata-Version: 2.1\nName: shelf\nVersion: 1.0\n")
    (meta / "entry_points.txt").write_text("[package_tools]\nshelf = shelf_list:tools\n")
    listed = {
        f"shelf.{name}": {"module": "shelf", "function": name, "inputs": {"text": {"type": "string"}}}
        for name in ("wait", "odd")
    }
    (root / "shelf_list.py").write_text(f"def tools():\n    return {listed!r}\n")
    (root / "shelf.py").write_text(TOOLS)
    return root


Serve = Callable[[str, dict[str, object]], Server]


@pytest.fixture(scope="module")
def server(site: Path, service: Service, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One flow that runs the tool that its input ``which`` names."""
    folder = tmp_path_factory.mktemp("flow") / "flow"
    folder.mkdir()
    (folder / "n.jinja2").write_text("user:\n{{ text }}\n![image]({{ picture }})\n")
    seen = {"picture": "${inputs.picture}"}
    nodes = [
        node("wait", "shelf.wait", {}),
        node("odd", "shelf.odd", {}),
        node("judge", "promptflow.tools.azure_content_safety.analyze_text", {"connection": "safety"}),
        node("see", "promptflow.tools.llm_vision.llm_vision", {"connection": "open", "model": "m", **seen}),
        node("embed", "promptflow.tools.embedding.embedding", {"connection": "open", "model": "m"}, "input"),
    ]
    picture = {"type": "image", "default": BOMB}
    flow = {
        "inputs": {"which": {"type": "string"}, "text": {"type": "string"}, "picture": picture},
        "outputs": {one["name"]: {"type": "string", "reference": f"${{{one['name']}.output}}"} for one in nodes},
        "nodes": nodes,
    }
    (folder / "flow.dag.yaml").write_text(json.dumps(flow))
    connections = folder.parent / "connections.json"
    connections.write_text(json.dumps([
        {"name": "safety", "type": "azure_content_safety", "endpoint": service.url, "api_key": "safe-key"},
        {"name": "open", "type": "open_ai", "base_url": f"{service.url}/v1", "api_key": "open-key"},
    ]))  # fmt: skip
    environment = {"PYTHONPATH": f"{ROOT}:{site}"}
    options = ("--workers", "1", "--connections", str(connections))
    with serving(folder, *options, environment=environment) as running:
        yield running


def node(name: str, tool: str, inputs: dict[str, object], text: str = "text") -> dict[str, object]:
    is_custom = tool.endswith("llm_vision")
    source = {"type": "package_with_prompt" if is_custom else "package", "tool": tool}
    return {
        "name": name,
        "type": "custom_llm" if is_custom else "python",
        "source": source | ({"path": "n.jinja2"} if is_custom else {}),
        "inputs": {text: "${inputs.text}", **inputs},
        "activate": {"when": "${inputs.which}", "is": name},
    }


def ask(server: Server, which: str, text: str = "hi", **inputs: object) -> tuple[int, object]:
    answer = server.score({"which": which, "text": text, **inputs})
    document = answer.json
    assert isinstance(document, dict)
    return answer.status, document.get(which, document.get("error"))


def test_a_package_tool(server: Server) -> None:
    assert ask(server, "wait", "words") == (200, "words")


def test_a_tool_that_gives_what_is_no_json(server: Server) -> None:
    status, error = ask(server, "odd")
    assert status == 400
    assert "The output 'odd' for flow is incorrect. The output value is not JSON serializable." in str(error)
    assert ask(server, "wait", "still here") == (200, "still here")


WRONG = {
    "no JSON": (200, b"<html>oops</html>"),
    "nothing": (200, b""),
    "another shape": (200, b"[1, 2]"),
    "a number": (200, b"5"),
    "null": (200, b"null"),
    "not text": (200, b"\xff\xfe\xfd"),
    "an error that is no JSON": (403, b"forbidden"),
    "very deep": (200, b"[" * 100_000),
    "very long": (200, b'{"text": "' + b"x" * LONG + b'"}'),
}


@pytest.mark.parametrize("tool", ["judge", "embed", "see"])
@pytest.mark.parametrize("name", WRONG)
def test_answers_that_are_none_fail_the_request_alone(server: Server, service: Service, name: str, tool: str) -> None:
    service.answer = WRONG[name]
    status, error = ask(server, tool)
    assert status == 400, error
    told = str(error)
    assert "safe-key" not in told
    assert "open-key" not in told
    assert len(told) < 5000
    assert ask(server, "wait") == (200, "hi")


def test_an_image_that_announces_billions_of_pixels_is_passed_on_undecoded(server: Server, service: Service) -> None:
    service.answer = (200, b'{"choices": [{"message": {"role": "assistant", "content": "seen"}}]}')
    service.asked.clear()
    before = memory_kb(server)
    assert ask(server, "see", picture=BOMB) == (200, "seen")
    [(_, body)] = service.asked
    parts = body["messages"][0]["content"]  # type: ignore[index]
    assert parts[1]["image_url"]["url"] == f"data:image/png;base64,{BOMB}"
    assert memory_kb(server) - before < 50_000, "10 GB of pixels, had they been decoded"


def memory_kb(server: Server) -> int:
    """Of the tree of processes."""
    group = subprocess.run(
        ["ps", "-o", "rss=", "-g", str(server.process.pid)], capture_output=True, text=True, check=True
    )
    return sum(map(int, group.stdout.split()))


def test_check_names_what_a_flow_lacks(site: Path, tmp_path: Path) -> None:
    (tmp_path / "flow.dag.yaml").write_text(json.dumps({
        "outputs": {"o": {"type": "string", "reference": "${a.output}"}},
        "nodes": [node("a", "shelf.nowhere", {}) | {"activate": None, "inputs": {}}],
    }))  # fmt: skip
    environment = {"PYTHONPATH": f"{ROOT}:{site}", "PATH": "/usr/bin:/bin"}
    command = [sys.executable, "-m", "pfserve", "check", str(tmp_path)]
    checked = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert checked.returncode == 3
    assert "Package tool 'shelf.nowhere' is not found in the current environment." in checked.stdout


def test_a_connection_of_an_unknown_type_is_named_at_start(site: Path, tmp_path: Path) -> None:
    (tmp_path / "flow.dag.yaml").write_text(json.dumps({
        "outputs": {"o": {"type": "string", "reference": "${a.output}"}},
        "nodes": [node("a", "promptflow.tools.embedding.embedding", {"connection": "odd"}, "input")
                  | {"activate": None, "inputs": {"connection": "odd", "input": "x"}}],
    }))  # fmt: skip
    (tmp_path / "odd.json").write_text(json.dumps({"name": "odd", "type": "telepathy", "api_key": "s3cret"}))
    command = [sys.executable, "-m", "pfserve", "check", str(tmp_path), "--connections", str(tmp_path / "odd.json")]
    environment = {"PYTHONPATH": f"{ROOT}:{site}", "PATH": "/usr/bin:/bin"}
    checked = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert checked.returncode == 3
    assert "telepathy" in checked.stdout
    assert "s3cret" not in checked.stdout
