"""A body from the target's own description: its example, or values made up by its schema."""

from __future__ import annotations

from typing import Any

import msgspec

from ..mistake import Mistake

_HELP = "give bodies by --payload FILE or --data JSON"
_MADE_UP: dict[str, object] = {"string": "hello", "integer": 1, "number": 1.0, "boolean": True}


def from_swagger(document: bytes, path: str) -> tuple[str, ...]:
    """The one body that ``POST path`` is described to take. Raises Mistake if that cannot be told."""
    try:
        swagger = msgspec.json.decode(document)
        described = swagger["paths"][path]["post"].get("requestBody", {})
        content = described.get("content", {}).get("application/json", {})
        if example := content.get("example"):
            return (msgspec.json.encode(example).decode(),)
        schema = content.get("schema") or {}
        if not schema.get("properties") and described.get("required", True):
            raise Mistake(f"the flow has no sample and /swagger.json names no inputs of POST {path}; {_HELP}")
        return (msgspec.json.encode(_value(schema, path)).decode(),)
    except (msgspec.DecodeError, LookupError, TypeError, AttributeError, RecursionError) as problem:
        raise Mistake(f"/swagger.json does not describe POST {path}; {_HELP}") from problem


def _value(schema: dict[str, Any], where: str) -> object:
    """Something that the schema allows: its own example or default where it has one."""
    for key in ("example", "default"):
        if key in schema:
            return schema[key]
    if choices := schema.get("enum"):
        return choices[0]
    kind = schema.get("type", "object")
    if kind == "object":
        return {name: _value(inner, f"{where}.{name}") for name, inner in schema.get("properties", {}).items()}
    if kind == "array":
        return []
    if not isinstance(kind, str) or kind not in _MADE_UP:
        raise Mistake(f"/swagger.json: {where} is of type {kind!r}, which cannot be made up; {_HELP}")
    return _MADE_UP[kind]
