"""A model's whole answer, as ``response: all`` of a prompty gives it (contract 4.2, 10.2 row 26)."""

from __future__ import annotations

import json
from typing import Any


class RawAnswer(dict[str, Any]):
    """The answer's JSON object, whose names are attributes too, as those of the OpenAI library's objects are.

    ``answer.choices[0].message.content`` and ``answer["choices"]`` both work, and it can be given out as JSON.
    """

    def __init__(self, answer: dict[str, Any]) -> None:
        super().__init__((name, _named(value)) for name, value in answer.items())

    def __getattr__(self, name: str) -> Any:
        try:
            return self[name]
        except KeyError:
            raise AttributeError(f"the model's answer has no {name!r}") from None

    def model_dump(self) -> dict[str, Any]:
        """The answer as plain dicts and lists."""
        plain: dict[str, Any] = json.loads(json.dumps(self))
        return plain

    def model_dump_json(self) -> str:
        """The answer as JSON."""
        return json.dumps(self, ensure_ascii=False, separators=(",", ":"))

    to_dict = model_dump
    to_json = model_dump_json


def _named(value: Any) -> Any:
    if isinstance(value, dict):
        return RawAnswer(value)
    if isinstance(value, list):
        return [_named(item) for item in value]
    return value
