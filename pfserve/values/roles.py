"""Where a prompt changes from one role to the next, and how a value is kept from changing it (contract 3.7).

Everything here is linear in the length of the text: prompts hold what strangers send.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterator, Mapping
from functools import cache
from typing import NamedTuple

ROLES = ("system", "user", "assistant", "function", "tool")

Escapes = dict[str, str]  # token -> the role word that it stands for


class Separator(NamedTuple):
    """A line that opens a message: ``[start, end)`` is no content, ``[role_start, role_end)`` is the role's word."""

    start: int
    end: int
    role_start: int
    role_end: int


def separators(text: str, roles: tuple[str, ...] = ROLES, *, open_end: bool = False) -> Iterator[Separator]:
    """Every separator of a prompt: a role, at most one ``#`` before it, a colon and the end of the line after it.

    ``open_end`` takes the end of the text for the end of a line: what follows a value in a template is unknown.
    """
    floor = 0
    for match in _candidates(roles, open_end).finditer(text):
        start = _start(text, floor, match.start())
        if start is not None:
            yield Separator(start, match.end(), *match.span(1))
            floor = match.end()


@cache
def _candidates(roles: tuple[str, ...], open_end: bool) -> re.Pattern[str]:
    end = r"(?:\n|\Z)" if open_end else r"\n"
    return re.compile(rf"(?ai:({'|'.join(roles)}))\s*+:[^\S\n]*+{end}")


def _start(text: str, floor: int, role_start: int) -> int | None:
    """Where the blank between ``floor`` and the role begins, if a line begins in it; a ``#`` may be in that blank."""
    start = _skip_blank_back(text, floor, role_start)
    if start > floor and text[start - 1] == "#":
        before_mark = _skip_blank_back(text, floor, start - 1)
        if before_mark == floor or "\n" in text[before_mark : start - 1]:
            return before_mark
    return start if start == floor or "\n" in text[start:role_start] else None


def _skip_blank_back(text: str, floor: int, end: int) -> int:
    while end > floor and text[end - 1].isspace():
        end -= 1
    return end


def escape_roles(value: object, escapes: Escapes) -> object:
    """The value with a random token for every role word that would open a message, at any depth of lists and dicts.

    New tokens are noted in ``escapes``. The value itself is never changed.
    """
    if isinstance(value, str):
        return _escape_text(value, escapes)
    if isinstance(value, list):
        return [escape_roles(item, escapes) for item in value]
    if isinstance(value, dict):
        return {key: escape_roles(item, escapes) for key, item in value.items()}
    return value


def _escape_text(text: str, escapes: Escapes) -> str:
    if ":" not in text:
        return text
    parts: list[str] = []
    end = 0
    for separator in separators(text, open_end=True):
        parts += text[end : separator.role_start], _token(text[separator.role_start : separator.role_end], escapes)
        end = separator.role_end
    return "".join([*parts, text[end:]]) if parts else text


def _token(word: str, escapes: Escapes) -> str:
    for token, known in escapes.items():
        if known == word:
            return token
    token = str(uuid.uuid4())
    escapes[token] = word
    return token


def restore_roles(text: str, escapes: Mapping[str, str]) -> str:
    """The text with the role words in place of their tokens."""
    for token, word in escapes.items():
        text = text.replace(token, word)
    return text


class PromptResult(str):
    """What a prompt node gave: its text, and the same text with the role words of flow inputs escaped.

    To everything but a following LLM node it is the text.
    """

    escaped: str
    escapes: Mapping[str, str]

    @classmethod
    def of(cls, escaped: str, escapes: Mapping[str, str]) -> PromptResult:
        """The result whose rendering with escaped values is ``escaped``."""
        result = cls(restore_roles(escaped, escapes))
        result.escaped, result.escapes = escaped, escapes
        return result


def escape_variables(variables: dict[str, object], names: tuple[str, ...]) -> Escapes:
    """Escape, in place, the variables of a template that are bound to flow inputs or come from prompt nodes."""
    escapes: Escapes = {}
    for name in names:
        if name in variables:
            variables[name] = escape_roles(variables[name], escapes)
    for name, value in variables.items():
        if type(value) is PromptResult:
            variables[name] = value.escaped
            escapes.update(value.escapes)
    return escapes
