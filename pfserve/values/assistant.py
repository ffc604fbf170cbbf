"""What a node with an assistant gets: its definition, and the functions that the assistant may call (contract 3.11)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Self

import msgspec


class AssistantTool(msgspec.Struct, frozen=True):
    """A function to call for an assistant, and how the assistant is told about it."""

    function: Callable[..., object]
    definition: Mapping[str, object]  # as OpenAI's API wants it


class AssistantToolInvoker:
    """The tools of an assistant: those that are functions by name, and ``builtins`` that the service runs itself."""

    def __init__(self, tools: Mapping[str, AssistantTool], builtins: tuple[Mapping[str, object], ...] = ()) -> None:
        self._tools = dict(tools)
        self._builtins = builtins

    def invoke_tool(self, func_name: str, kwargs: Mapping[str, object]) -> object:
        """Call a function for the assistant; of an async one, give the coroutine.

        Raises:
            KeyError: the assistant has no function of that name.
        """
        return self._tools[func_name].function(**kwargs)

    def to_openai_tools(self) -> list[Mapping[str, object]]:
        """All tools as OpenAI's API wants them."""
        return [*self._builtins, *(tool.definition for tool in self._tools.values())]


class AssistantDefinition:
    """An assistant: which model it is, what it is told and which tools it has."""

    def __init__(self, model: str, instructions: str, tools: list[Any]) -> None:
        self.model = model
        self.instructions = instructions
        self.tools = tools
        self._tool_invoker: AssistantToolInvoker | None = None

    @classmethod
    def deserialize(cls, data: Mapping[str, Any]) -> Self:
        """The assistant that a definition file describes."""
        return cls(data.get("model", ""), data.get("instructions", ""), data.get("tools", []))

    def serialize(self) -> dict[str, object]:
        """The definition as a dict."""
        return {"model": self.model, "instructions": self.instructions, "tools": self.tools}

    def __eq__(self, other: object) -> bool:
        return isinstance(other, AssistantDefinition) and self.serialize() == other.serialize()

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"AssistantDefinition(model={self.model!r}, instructions={self.instructions!r}, tools={self.tools!r})"
