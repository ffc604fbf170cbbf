"""Prompties that code loads, on a real server with the stub model: on threads, on the loop, in pieces."""

from __future__ import annotations

import json
from pathlib import Path

from serving import serving

PROMPTY = """---
model:
  configuration: {type: openai, model: m}
  parameters: {stream: %s}
inputs:
  text: {type: string}
---
user:
{{text}}
"""
CODE = """
from pathlib import Path

from promptflow.core import %(kind)s as Kind

HERE = Path(__file__).parent


%(define)s main(text: str):
    prompty = Kind.load(source=HERE / "ask.prompty")
    %(body)s
"""


def flow(folder: Path, kind: str, define: str, body: str, stream: str = "false") -> Path:
    (folder / "flow.flex.yaml").write_text("entry: code:main\n")
    (folder / "code.py").write_text(CODE % {"kind": kind, "define": define, "body": body})
    (folder / "ask.prompty").write_text(PROMPTY % stream)
    return folder


def answer(folder: Path, accept: str = "application/json") -> str:
    with serving(folder, "--stub-llm", "--workers", "1") as server:
        said = server.ask(body='{"text": "hello"}', headers={"Accept": accept})
        assert said.status == 200, said.body
        if accept == "application/json":
            return said.json
        return "".join(
            json.loads(one.removeprefix("data: "))["output"] for one in said.body.decode().split("\n\n")[:-1]
        )


def test_blocking_code_waits_for_the_answer(tmp_path: Path):
    told = answer(flow(tmp_path, "Prompty", "def", "return prompty(text=text)"))
    assert " heard: hello " in told


def test_async_code_awaits_it(tmp_path: Path):
    told = answer(flow(tmp_path, "AsyncPrompty", "async def", "return await prompty(text=text)"))
    assert " heard: hello " in told


def test_generators_of_both_kinds_are_streamed(tmp_path: Path):
    blocking, waiting = tmp_path / "blocking", tmp_path / "waiting"
    blocking.mkdir()
    waiting.mkdir()
    flow(blocking, "Prompty", "def", "return prompty(text=text)", "true")
    flow(waiting, "AsyncPrompty", "async def", "return await prompty(text=text)", "true")
    told = [answer(folder, "text/event-stream") for folder in (blocking, waiting)]
    assert told[0] == told[1]
    assert " heard: hello " in told[0]


def test_a_generator_of_async_code_passes_the_pieces_on(tmp_path: Path):
    body = "async for piece in await prompty(text=text):\n        yield piece.upper()"
    assert " HEARD: HELLO " in answer(flow(tmp_path, "AsyncPrompty", "async def", body, "true"))
