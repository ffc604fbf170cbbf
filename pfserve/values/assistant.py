"""What a node with an assistant gets: its definition, and the functions that the assistant may call (contract 3.11)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Self

import msgspec


class AssistantTool(msgspec.Struct, frozen=True):
    """A tool of an assistant: a function to call for it, or None for what the service runs itself."""

    function: Callable[..., object] | None
    definition: Mapping[str, object]  # as OpenAI's API wants it


class AssistantToolInvoker:
    """The tools of an assistant, by name."""

    def __init__(self, tools: Mapping[str, AssistantTool]) -> None:
        self._tools = dict(tools)

    def invoke_tool(self, func_name: str, kwargs: Mapping[str, object]) -> object:
        """Call a function for the assistant; of an async one, give the coroutine.

        Raises:
            KeyError: the assistant has no function of that name.
            TypeError: the service runs that tool itself, or the function takes other arguments.
        """
        return self._tools[func_name].function(**kwargs)  # type: ignore[misc]

    def to_openai_tools(self) -> list[Mapping[str, object]]:
        """All tools as OpenAI's API wants them."""
        return [tool.definition for tool in self._tools.values()]


@dataclass
class AssistantDefinition:
    """An assistant: which model it is, what it is told and which tools it has."""

    model: str
    instructions: str
    tools: list[Any]

    def __post_init__(self) -> None:
        self._tool_invoker: AssistantToolInvoker | None = None

    @classmethod
    def deserialize(cls, data: Mapping[str, Any]) -> Self:
        """The assistant that a definition file describes."""
        return cls(data.get("model", ""), data.get("instructions", ""), data.get("tools", []))

    def serialize(self) -> dict[str, object]:
        """The definition as a dict."""
        return {"model": self.model, "instructions": self.instructions, "tools": self.tools}
