"""Small flows in a temporary folder, and a module ``house`` that gives user code a ``tool`` decorator."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import ModuleType

import pytest

from pfserve.compiler import compile_flow
from pfserve.connections import Connections, Form, Sources
from pfserve.errors import CompileError
from pfserve.flow import read_flow
from pfserve.plan import Plan
from pfserve.values import DETAILS_MARK, TOOL_MARK
from pfserve.values.connections import CustomConnection, CustomStrongTypeConnection, OpenAIConnection

CLASSES = (CustomConnection, CustomStrongTypeConnection, OpenAIConnection)

Files = Mapping[str, str]


def connections() -> Connections:
    """One connection of each kind that the tests use."""
    forms = {
        "azure": ("AzureOpenAIConnection", {"api_key": "s3cret", "api_base": "http://azure"}),
        "openai": ("OpenAIConnection", {"api_key": "s3cret"}),
        "serverless": ("ServerlessConnection", {"api_key": "s3cret", "api_base": "http://serverless"}),
        "custom": ("CustomConnection", {"key": "s3cret", "place": "here"}),
    }
    return Connections(
        Sources(
            {name: Form(kind, value, frozenset({"api_key", "key"}), "a test") for name, (kind, value) in forms.items()}
        )
    )


class Details:
    """What ``@streaming`` leaves on a tool."""

    streaming_option_parameter = "stream"


class ToolProvider:
    """As promptflow's: known by its name."""


def tool(function: Callable[..., object]) -> Callable[..., object]:
    setattr(function, TOOL_MARK, True)
    return function


def streaming(function: Callable[..., object]) -> Callable[..., object]:
    setattr(function, DETAILS_MARK, Details())
    return tool(function)


@pytest.fixture(autouse=True)
def user_code(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    house = ModuleType("house")
    vars(house).update(
        tool=tool, streaming=streaming, ToolProvider=ToolProvider, **{kind.__name__: kind for kind in CLASSES}
    )
    modules = dict(sys.modules)
    monkeypatch.setitem(sys.modules, "house", house)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    monkeypatch.chdir(tmp_path)
    yield
    for name in sys.modules.keys() - modules.keys():
        if getattr(sys.modules[name], "__file__", None) and str(tmp_path) in str(sys.modules[name].__file__):
            del sys.modules[name]


class Flows:
    """Writes flows and compiles them. Paths in messages are relative to the temporary folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def write(self, files: Files) -> Path:
        for name, text in files.items():
            (self.folder / name).parent.mkdir(parents=True, exist_ok=True)
            (self.folder / name).write_text(text)
        return self.folder

    def compile(self, files: Files, **options: object) -> Plan:
        return compile_flow(read_flow(self.write(files)), **options)  # type: ignore[arg-type]

    def mistakes(self, files: Files, **options: object) -> list[str]:
        try:
            self.compile(files, **options)
        except CompileError as problem:
            return [str(diagnostic) for diagnostic in problem.diagnostics]
        return []


@pytest.fixture
def flows(tmp_path: Path) -> Flows:
    return Flows(tmp_path)
