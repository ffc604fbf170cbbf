"""A package of tools that both sides find, beside the libraries that they have."""

from __future__ import annotations

from pathlib import Path

TOOLS = '''
from enum import Enum

from promptflow.connections import CustomConnection, CustomStrongTypeConnection
from promptflow.contracts.types import PromptTemplate, Secret
from promptflow.core import ToolProvider, tool
from promptflow.exceptions import UserErrorException
from promptflow.tools.common import build_messages, render_jinja_template


class Own(CustomStrongTypeConnection):
    token: Secret
    region: str


class Unit(str, Enum):
    GRAM = "g"
    POUND = "lb"


@tool
def echo(text, times=9, **more):
    """Echo."""
    return [text, times, more]


@tool
async def later(text: str):
    return text + " later"


@tool(streaming_option_parameter="stream")
def stream(text, stream=False):
    return (word for word in text.split()) if stream else text.upper()


@tool
def own(connection: Own):
    return [type(connection).__name__, connection.region, connection.token]


@tool
def ask(prompt: PromptTemplate, connection: CustomConnection, heat: float = 1, **variables):
    return [render_jinja_template(prompt, **variables), connection.region, heat, sorted(variables)]


@tool
def messages(prompt: PromptTemplate, **variables):
    return build_messages(prompt, **variables)


@tool
def promptless(text, **more):
    return text


@tool
def refuse(text):
    raise UserErrorException(f"not {text}")


@tool
def weigh(things: list, unit: Unit, connection: CustomConnection = None, limit: float = 2, exact=False, odd: dict = 0):
    """Weigh things.

    Args:
        things (list): what to weigh
        unit: in which unit
    """
    return [things, unit, limit, exact, odd, connection.region if connection else None]


class Greeter(ToolProvider):
    def __init__(self, greeting: str, name="nobody"):
        super().__init__()
        self.greeting = greeting + name

    @tool
    def greet(self, text: str):
        """Greet."""
        return f"{self.greeting} {text}"
'''
METADATA = {
    "pack.echo": ("echo", {"text": "object", "times": "int", "extra": ["double"]}),
    "pack.later": ("later", {"text": ["string"]}),
    "pack.stream": ("stream", {"text": ["string"]}),
    "pack.own": ("own", {"connection": ["CustomConnection"]}),
    "pack.ask": ("ask", {"connection": ["CustomConnection"], "heat": "double"}),
    "pack.messages": ("messages", {}),
    "pack.promptless": ("promptless", {}),
    "pack.refuse": ("refuse", {"text": "string"}),
    "pack.odd": ("echo", {"text": "no_such_type"}),
    "pack.weigh": ("weigh", {"connection": ["CustomConnection"], "things": "list", "unit": "string",
                             "limit": "double", "exact": "bool", "odd": "object"}),
    "pack.Greeter.greet": ("greet", {"greeting": "string", "name": "string", "text": "string"}),
}  # fmt: skip


def described() -> dict[str, dict[str, object]]:
    found: dict[str, dict[str, object]] = {}
    for identity, (function, inputs) in METADATA.items():
        typed: dict[str, dict[str, object]] = {name: {"type": kind} for name, kind in inputs.items()}
        kind = "custom_llm" if function in ("ask", "messages", "promptless") else "python"
        found[identity] = {"name": identity, "type": kind, "module": "pack_tools", "function": function}
        found[identity]["inputs"] = typed
    found["pack.own"]["inputs"]["connection"]["custom_type"] = ["Own"]  # type: ignore[index]
    found["pack.weigh"]["inputs"]["unit"]["enum"] = ["g", "lb"]  # type: ignore[index]
    found["pack.echo"]["inputs"]["times"]["default"] = "5"  # type: ignore[index]  # which nobody uses
    found["pack.Greeter.greet"] |= {"class_name": "Greeter", "deprecated_tools": ["old.greet"]}
    return found


def write_package(root: Path) -> Path:
    """The folder to have on the path."""
    meta = root / "pack-1.0.dist-info"
    meta.mkdir()
    (meta / "METADATA").write_text("Metadata-Version: 2.1\nName: pack\nVersion: 1.0\n")
    (meta / "entry_points.txt").write_text("[package_tools]\npack = pack_list:tools\n")
    (root / "pack_list.py").write_text(f"def tools():\n    return {described()!r}\n")
    (root / "pack_tools.py").write_text(TOOLS)
    return root
