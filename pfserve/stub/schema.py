"""Values that fulfil a JSON schema, as far as function parameters and answer formats use it."""

from __future__ import annotations

from typing import Any

from pfserve.stub.dice import Dice

_DEEPEST = 12  # schemas may refer to themselves


def instance(schema: dict[str, Any], dice: Dice, word: str) -> object:
    """A value for ``schema``; texts become ``word``."""
    return _Maker(schema, dice, word).make(schema, 0)


class _Maker:
    def __init__(self, root: dict[str, Any], dice: Dice, word: str) -> None:
        self._root = root
        self._dice = dice
        self._word = word

    def make(self, schema: object, depth: int) -> object:
        if not isinstance(schema, dict) or depth > _DEEPEST:
            return None
        if "$ref" in schema:
            return self.make(self._lookup(str(schema["$ref"])), depth + 1)
        if "const" in schema:
            return schema["const"]
        if schema.get("enum"):
            return self._dice.choice(schema["enum"])
        for word in ("anyOf", "oneOf", "allOf"):
            if schema.get(word):
                return self.make(schema[word][0], depth + 1)
        return self._of_type(_kind(schema), schema, depth)

    def _of_type(self, kind: object, schema: dict[str, Any], depth: int) -> object:
        match kind:
            case "object":
                return self._object(schema, depth)
            case "array":
                return [self.make(schema.get("items", {"type": "string"}), depth + 1)]
            case "integer" | "number":
                return self._number(schema)
            case "boolean":
                return self._dice.below(2) == 1
            case "null":
                return None
        return self._word

    def _object(self, schema: dict[str, Any], depth: int) -> dict[str, object]:
        properties = schema.get("properties") or {}
        wanted = schema["required"] if schema.get("required") else list(properties)
        return {name: self.make(properties.get(name, {"type": "string"}), depth + 1) for name in wanted}

    def _number(self, schema: dict[str, Any]) -> int:
        lowest = int(schema.get("minimum", 0))
        highest = int(schema.get("maximum", lowest + 99))
        return lowest + self._dice.below(max(1, highest - lowest + 1))

    def _lookup(self, reference: str) -> object:
        found: object = self._root
        for name in reference.removeprefix("#/").split("/"):
            found = found.get(name) if isinstance(found, dict) else None
        return found


def _kind(schema: dict[str, Any]) -> object:
    kind = schema.get("type", "object" if "properties" in schema else "string")
    return kind[0] if isinstance(kind, list) and kind else kind
