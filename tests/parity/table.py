"""The words of which the table of flows is made."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

IMPORTS = "from promptflow.core import tool\n"
NOTHING: Mapping[str, str] = {}

EVENTS = "text/event-stream"
ECHO = "@tool\ndef n(text: str):\n    return text\n"
TEXT = {"text": "string"}
OUT = {"out": "${n.output}"}
FROM_TEXT = {"text": "${inputs.text}"}


class Ask(NamedTuple):
    """One request. ``row`` of the contract's section 10, if pfserve answers it differently on purpose."""

    body: bytes
    accept: str = ""
    method: str = "POST"
    path: str = "/score"
    row: int = 0

    def __str__(self) -> str:
        return f"{self.method} {self.path} {self.body[:80]!r} {self.accept}".rstrip()


SWAGGER = Ask(b"", method="GET", path="/swagger.json")


class Flow(NamedTuple):
    """A flow and what it is asked. ``refused``: it does not start. Without a document it is a prompty of its files.

    In the environment ``$MODEL`` stands for the address of the model that the server of either side asks.
    """

    name: str
    document: Mapping[str, Any]
    files: Mapping[str, str]
    asks: Sequence[Ask] = ()
    environment: Mapping[str, str] = NOTHING
    refused: bool = False
    swagger: Ask = SWAGGER

    def write(self, root: Path) -> Path:
        """Its folder. JSON is YAML too."""
        folder = root / self.name
        folder.mkdir()
        kind = "flex" if "entry" in self.document else "dag"
        if self.document:
            (folder / f"flow.{kind}.yaml").write_text(json.dumps(self.document, indent=1))
        for name, text in self.files.items():
            (folder / name).parent.mkdir(exist_ok=True)
            head = IMPORTS if name.endswith(".py") else ""
            whole = text if name.endswith(".prompty") else textwrap.dedent(text).lstrip("\n")
            (folder / name).write_text(head + whole)
        return folder

    def environment_of(self, model_url: str) -> dict[str, str]:
        """The environment of the server whose model is there."""
        given = {"PARITY_MODEL": "$MODEL", **self.environment}
        return {name: text.replace("$MODEL", model_url) for name, text in given.items()}


def say(*values: object, accept: str = "", row: int = 0) -> list[Ask]:
    """Requests with these values as JSON."""
    return [Ask(json.dumps(value).encode(), accept, row=row) for value in values]


def raw(*bodies: bytes, row: int = 0) -> list[Ask]:
    """Requests with these bodies."""
    return [Ask(body, row=row) for body in bodies]


def document(
    nodes: Sequence[Mapping[str, Any]],
    outputs: Mapping[str, str],
    inputs: Mapping[str, str | Mapping[str, Any]],
    **more: object,
) -> dict[str, Any]:
    """A flow's file. Inputs are given by type, or whole; outputs by reference."""
    return {
        **more,
        "inputs": {name: {"type": one} if isinstance(one, str) else one for name, one in inputs.items()},
        "outputs": {name: {"type": "string", "reference": reference} for name, reference in outputs.items()},
        "nodes": list(nodes),
    }


def py(name: str, wires: Mapping[str, object], file: str = "", **more: object) -> dict[str, Any]:
    """A python node."""
    source = {"type": "code", "path": file or f"{name}.py"}
    return {"name": name, "type": "python", "source": source, "inputs": dict(wires), **more}


def prompt(name: str, wires: Mapping[str, object], **more: object) -> dict[str, Any]:
    """A prompt node."""
    return {**py(name, wires, f"{name}.jinja2"), "type": "prompt", **more}


def llm(name: str, connection: str, wires: Mapping[str, object], api: str = "chat", **more: object) -> dict[str, Any]:
    """An LLM node."""
    model = {"deployment_name": "m"} if connection == "azure" else {"model": "m"}
    return {**prompt(name, {**model, **wires}), "type": "llm", "connection": connection, "api": api, **more}


def one(
    name: str,
    code: str,
    asks: Sequence[Ask] = (),
    *,
    inputs: Mapping[str, Any] = TEXT,
    wires: Mapping[str, object] = FROM_TEXT,
    outputs: Mapping[str, str] = OUT,
    files: Mapping[str, str] = NOTHING,
    environment: Mapping[str, str] = NOTHING,
) -> Flow:
    """A flow of one python node ``n``."""
    node = py("n", wires)
    flow = document([node], outputs, inputs)
    return Flow(name, flow, {"n.py": code, **files}, asks or say({"text": "x"}), environment)
