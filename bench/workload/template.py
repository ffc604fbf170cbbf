"""Bodies with places that every request fills anew: by its number and the seed, never by a clock.

{{seq}}                 the number of the request, from 0
{{uuid}}                a version 4 UUID
{{random.int 1 100}}    a whole number, both ends included
{{random.float 0 1}}    a number between the two
{{random.words 20}}     so many words
{{random.choice a b}}   one of them
"""

from __future__ import annotations

import random
import re
import uuid
from collections.abc import Callable, Sequence

from ..mistake import Mistake

PLACE = re.compile(r"\{\{\s*(seq|uuid|random\.\w+)((?:\s+[^\s{}]+)*)\s*\}\}")
Fill = Callable[[int, random.Random], str]
_WORDS = tuple(
    """
    time person year way day thing world life hand part child eye place work week case point company number group
    problem fact water room month book night story light river stone cloud garden window letter music paper road
    """.split()  # noqa: SIM905  (a list would be a line per word)
)


class Template:
    """A body, taken apart once. Raises Mistake if a place asks for what does not exist."""

    def __init__(self, text: str) -> None:
        self._parts: list[str | Fill] = []
        end = 0
        for found in PLACE.finditer(text):
            self._parts += [text[end : found.start()], _fill(found[0], found[1], found[2].split())]
            end = found.end()
        self._parts.append(text[end:])

    @property
    def is_constant(self) -> bool:
        """Whether every request gets the same."""
        return len(self._parts) == 1

    def render(self, number: int, seed: int) -> str:
        """The body of request ``number``: the same for the same seed."""
        dice = random.Random((seed << 64) | number)
        return "".join(part if isinstance(part, str) else part(number, dice) for part in self._parts)


def _fill(place: str, name: str, words: Sequence[str]) -> Fill:
    try:
        return _FILLS[name](*words)
    except (KeyError, TypeError, ValueError, IndexError) as problem:
        known = "seq, uuid, random.int LOW HIGH, random.float LOW HIGH, random.words COUNT, random.choice A B ..."
        raise Mistake(f"{place} cannot be filled in; there are {known}") from problem


def _seq() -> Fill:
    return lambda number, dice: str(number)


def _uuid() -> Fill:
    return lambda number, dice: str(uuid.UUID(int=dice.getrandbits(128), version=4))


def _int(low: str, high: str) -> Fill:
    first, last = int(low), int(high)
    range(first, last + 1)[0]  # an IndexError if there is nothing between
    return lambda number, dice: str(dice.randint(first, last))


def _float(low: str, high: str) -> Fill:
    first, last = float(low), float(high)
    return lambda number, dice: repr(dice.uniform(first, last))


def _words(count: str) -> Fill:
    wanted = int(count)
    return lambda number, dice: " ".join(dice.choices(_WORDS, k=wanted))


def _choice(*choices: str) -> Fill:
    choices[0]  # an IndexError if there is none
    return lambda number, dice: dice.choice(choices)


_FILLS: dict[str, Callable[..., Fill]] = {
    "seq": _seq,
    "uuid": _uuid,
    "random.int": _int,
    "random.float": _float,
    "random.words": _words,
    "random.choice": _choice,
}
