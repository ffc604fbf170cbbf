"""What ``tools`` and ``functions`` have to look like, and how their choice is written (contract 3.8)."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sized
from typing import cast

from pfserve.errors import UserError

_CHAT_GUIDE = "https://platform.openai.com/docs/api-reference/chat/create"
_VALID_FUNCTION = (
    'Here is a valid function example: {"name": "function_name", "parameters": {"type": "object", "properties": '
    '{"parameter_name": {"type": "integer", "description": "parameter_description"}}}, "description": '
    f'"function_description"}}. See more details at {_CHAT_GUIDE}#chat/create-functions or view sample \'How to use '
    "functions with chat models' in our gallery."
)
_VALID_TOOL = (
    'Here is a valid tool example: {"type": "function", "function": {"name": "get_current_weather", "description": '
    '"Get the current weather in a given location", "parameters": {"type": "object", "properties": {"location": '
    '{"type": "string", "description": "The city and state, e.g. San Francisco, CA"}, "unit": {"type": "string", '
    f'"enum": ["celsius", "fahrenheit"]}}}}, "required": ["location"]}}}}}}. See more details at {_CHAT_GUIDE}'
)
_VALID_FUNCTION_CALL = (
    f'Here is a valid example: {{"name": "function_name"}}. See the guide at {_CHAT_GUIDE}#chat/create-function_call '
    "or view sample 'How to call functions with chat models' in our gallery."
)
_VALID_TOOL_CHOICE = (
    'Here is a valid example: {"type": "function", "function": {"name": "my_function"}}. See the guide at '
    f"{_CHAT_GUIDE}."
)


def check_functions(functions: object) -> None:
    """Raise :class:`UserError` for the first function that is no valid description of one."""
    for index, function in enumerate(cast("Iterable[object]", functions)):
        problem = _function_problem(index, function)
        if problem:
            raise UserError(f"{problem}. {_VALID_FUNCTION}")


def check_tools(tools: object) -> None:
    """Raise :class:`UserError` for the first tool that is no valid description of one."""
    for index, tool in enumerate(cast("Iterable[object]", tools)):
        problem = _tool_problem(index, tool)
        if problem:
            raise UserError(f"{problem}. {_VALID_TOOL}")


def check_given(name: str, descriptions: object) -> None:
    """Raise :class:`UserError` for ``tools`` or ``functions`` that are an empty list, which prompties may not give."""
    if len(cast("Sized", descriptions)) == 0:
        valid = _VALID_TOOL if name == "tools" else _VALID_FUNCTION
        raise UserError(f"{name} cannot be an empty list. {valid}")


def _tool_problem(index: int, tool: object) -> str | None:
    if not isinstance(tool, dict):
        return f"tool {index} '{tool}' is not a dict"
    for key in ("type", "function"):
        if key not in tool:
            return f"tool {index} '{tool}' does not have '{key}' property"
    return _function_problem(index, tool["function"])


def _function_problem(index: int, function: object) -> str | None:
    if not isinstance(function, dict):
        return f"function {index} '{function}' is not a dict"
    for key in ("name", "parameters"):
        if key not in function:
            return f"function {index} '{function}' does not have '{key}' property"
    return _schema_problem(f"function {index} '{function['name']}' parameters", function["parameters"])


def _schema_problem(what: str, schema: object) -> str | None:
    if not isinstance(schema, dict):
        return f"{what} '{schema}' should be described as a JSON Schema object"
    for key in ("type", "properties"):
        if key not in schema:
            return f"{what} '{schema}' does not have '{key}' property"
    if schema["type"] != "object":
        return f"{what} 'type' should be 'object'"
    if not isinstance(schema["properties"], dict):
        return f"{what} 'properties' should be described as a JSON Schema object"
    return None


def function_call(choice: object) -> object:
    """``function_call`` as it is sent. Raises :class:`UserError` if it names no function."""
    if choice is None:
        return "auto"
    if choice in ("auto", "none"):
        return choice
    if not isinstance(choice, dict):
        raise UserError(_not_a_dict("function_call", choice, _VALID_FUNCTION_CALL))
    if "name" not in choice:
        lacks = f'function_call parameter {json.dumps(choice)} must contain "name" field.'
        raise UserError(f"{lacks} {_VALID_FUNCTION_CALL}")
    return choice


def tool_choice(choice: object) -> object:
    """``tool_choice`` as it is sent to Azure. Raises :class:`UserError` if it names no tool."""
    if choice is None:
        return "auto"
    if choice in ("auto", "none"):
        return choice
    if not isinstance(choice, dict):
        raise UserError(_not_a_dict("tool_choice", choice, _VALID_TOOL_CHOICE))
    for key in ("type", "function"):
        if key not in choice:
            lacks = f'tool_choice parameter {json.dumps(choice)} must contain "{key}" field.'
            raise UserError(f"{lacks} {_VALID_TOOL_CHOICE}")
    function = choice["function"]
    if not isinstance(function, dict) or "name" not in function:
        lacks = f'function parameter "{json.dumps(function)}" in tool_choice must contain "name" field.'
        raise UserError(f"{lacks} {_VALID_TOOL_CHOICE}")
    return choice


def _not_a_dict(name: str, choice: object, example: str) -> str:
    return f"{name} parameter '{choice}' must be a dict, but not {type(choice)}. {example}"
