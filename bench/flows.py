"""Small flows of our own, written into a folder. Each takes ``text`` and gives ``answer``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

CONNECTION = "stub"
PARALLEL = 3
PASS_ON = "from promptflow.core import tool\n\n\n@tool\n{define} pass_on(text: str) -> str:\n    {wait}return text\n"
PICTURE = """from promptflow.contracts.multimedia import Image
from promptflow.core import tool


@tool
async def end(text: Image) -> str:
    return text[-8:].hex()
"""
DOCUMENT = """DOCUMENT = [{"id": number, "name": f"name {number}", "tags": ["x", "y"]} for number in range(100)]
"""
RENDER = "{% if text %}{{text}}{% endif %}"  # the condition is there so that jinja2 must render
MODEL_URL = "MODEL_URL"  # the variable that tells a flex flow where its model is
PARALLEL_FLEX = f"""import asyncio
import os

import aiohttp


class Asker:
    def __init__(self):
        self.url = os.environ["{MODEL_URL}"] + "/v1/chat/completions"

    async def __call__(self, text: str):
        texts = await asyncio.gather(*(self.rest(text) for _ in range({PARALLEL})))
        asked = {{"model": "stub", "max_tokens": 16, "messages": [{{"role": "user", "content": " ".join(texts)}}]}}
        async with aiohttp.ClientSession() as session, session.post(self.url, json=asked) as response:
            said = await response.json()
        return {{"answer": said["choices"][0]["message"]["content"]}}

    async def rest(self, text: str):
        await asyncio.sleep(0.25)
        return text
"""
ASK = "user:\n{{text}}"
CHAIN_FILES = {
    "async": {"pass_on.py": PASS_ON.format(define="async def", wait="")},
    "prompt": {"pass_on.jinja2": RENDER},
    "sync": {"pass_on.py": PASS_ON.format(define="def", wait="")},
}


class Node(msgspec.Struct, frozen=True):
    """One node: the file says what it is, ``ask*`` being for a model."""

    name: str
    file: str
    inputs: Mapping[str, str]

    def entry(self) -> dict[str, object]:
        """Its entry in the flow's file."""
        source = {"type": "code", "path": self.file}
        if self.file.startswith("ask"):
            short = {} if self.file.startswith("ask_at_length") else {"max_tokens": 16}
            model = {"deployment_name": "stub", "model": "stub", **short}
            told = {"connection": CONNECTION, "api": "chat", "inputs": {**model, **self.inputs}}
            return {"name": self.name, "type": "llm", "source": source, **told}
        kind = "python" if self.file.endswith(".py") else "prompt"
        return {"name": self.name, "type": kind, "source": source, "inputs": self.inputs}


def write(folder: Path, files: Mapping[str, str], nodes: Sequence[Node], *, taking: str = "string") -> Path:
    """Write the flow whose answer is its last node's. Gives its folder."""
    folder.mkdir()
    for name, text in files.items():
        (folder / name).write_text(text)
    flow = {
        "inputs": {"text": {"type": taking}},
        "outputs": {"answer": {"type": "string", "reference": f"${{{nodes[-1].name}.output}}"}},
        "nodes": [node.entry() for node in nodes],
    }
    (folder / "flow.dag.yaml").write_bytes(msgspec.json.encode(flow))  # JSON is YAML
    return folder


def in_line(files: Sequence[str]) -> list[Node]:
    """One node for each file, every one taking what the one before gave."""
    sources = ["${inputs.text}", *(f"${{node{number}.output}}" for number in range(1, len(files)))]
    pairs = enumerate(zip(files, sources, strict=True), 1)
    return [Node(f"node{number}", file, {"text": source}) for number, (file, source) in pairs]


def chain(folder: Path, kind: str, length: int) -> Path:
    """Nodes that pass the text on: ``async``, ``prompt`` or ``sync``."""
    files = CHAIN_FILES[kind]
    return write(folder, files, in_line([*files] * length))


def parallel_async(folder: Path) -> Path:
    """Three coroutines of 250 ms at once, then a model."""
    rest = "import asyncio\n\n" + PASS_ON.format(define="async def", wait="await asyncio.sleep(0.25)\n    ")
    return _parallel(folder, {"rest.py": rest, "ask.jinja2": "user:\n{{text}} {{two}} {{three}}"}, "ask.jinja2")


def parallel_flex(folder: Path) -> Path:
    """A class that awaits three coroutines of 250 ms, then asks a model by a client of its own."""
    folder.mkdir()
    (folder / "asker.py").write_text(PARALLEL_FLEX)
    (folder / "flow.flex.yaml").write_text("entry: asker:Asker\n")
    return folder


def parallel_sync(folder: Path) -> Path:
    """Three blocking functions of 250 ms at once, then a blocking second."""
    last = PASS_ON.replace("text: str)", "text: str, two: str, three: str)")
    files = {"rest.py": _blocking(PASS_ON, 0.25), "last.py": _blocking(last, 1)}
    return _parallel(folder, files, "last.py")


def _parallel(folder: Path, files: Mapping[str, str], last: str) -> Path:
    rests = [Node(f"rest{number}", "rest.py", {"text": "${inputs.text}"}) for number in range(PARALLEL)]
    inputs = zip(("text", "two", "three"), rests, strict=True)
    return write(folder, files, [*rests, Node("last", last, {key: f"${{{rest.name}.output}}" for key, rest in inputs})])


def resting(folder: Path, seconds: float) -> Path:
    """One node that blocks for so long."""
    return write(folder, {"rest.py": _blocking(PASS_ON, seconds)}, in_line(["rest.py"]))


def resting_about(folder: Path, least_s: float, most_s: float) -> Path:
    """One node that blocks for a time between the two, every one as likely."""
    source = PASS_ON.format(define="def", wait=f"time.sleep(random.uniform({least_s:g}, {most_s:g}))\n    ")
    return write(folder, {"rest.py": "import random\nimport time\n\n" + source}, in_line(["rest.py"]))


def awaiting(folder: Path, seconds: float) -> Path:
    """One node that awaits so long."""
    source = PASS_ON.format(define="async def", wait=f"await asyncio.sleep({seconds:g})\n    ")
    return write(folder, {"rest.py": "import asyncio\n\n" + source}, in_line(["rest.py"]))


def computing(folder: Path, numbers: int) -> Path:
    """One blocking node that never waits: it adds the squares of so many numbers, in Python."""
    source = PASS_ON.format(define="def", wait=f"sum(number * number for number in range({numbers}))\n    ")
    return write(folder, {"compute.py": source}, in_line(["compute.py"]))


def rewriting(folder: Path, times: int) -> Path:
    """One blocking node that never waits: it writes a document as JSON and reads it again, so often."""
    work = f"for _ in range({times}):\n        json.loads(json.dumps(DOCUMENT))\n    "
    source = f"import json\n\n{DOCUMENT}\n{PASS_ON.format(define='def', wait=work)}"
    return write(folder, {"rewrite.py": source}, in_line(["rewrite.py"]))


def model(folder: Path) -> Path:
    """One node: a model."""
    return write(folder, {"ask.jinja2": ASK}, in_line(["ask.jinja2"]))


def streaming(folder: Path) -> Path:
    """One node: a model that answers at length."""
    return write(folder, {"ask_at_length.jinja2": ASK}, in_line(["ask_at_length.jinja2"]))


def mixed(folder: Path) -> Path:
    """20 ms blocking, a model, 1 ms blocking."""
    files = {"before.py": _blocking(PASS_ON, 0.02), "ask.jinja2": ASK, "after.py": _blocking(PASS_ON, 0.001)}
    return write(folder, files, in_line([*files]))


def picture(folder: Path) -> Path:
    """The last eight bytes of a picture, in hexadecimal digits: it must have been decoded."""
    return write(folder, {"end.py": PICTURE}, in_line(["end.py"]), taking="image")


def _blocking(source: str, wait_s: float) -> str:
    return "import time\n\n" + source.format(define="def", wait=f"time.sleep({wait_s:g})\n    ")
