"""Texts and tokens. A token of ours is a word together with the white space before it."""

from __future__ import annotations

import re
from collections.abc import Sequence

from pfserve.stub.dice import Dice

_TOKEN = re.compile(r"\s*\S+|\s+$")
_ECHOED_WORDS = 8
_SHORTEST, _LONGEST = 16, 40
_FILLER = (
    *("amber", "basin", "cedar", "delta", "ember", "fjord", "grove", "harbor", "iris", "jetty", "kelp", "lagoon"),
    *("meadow", "north", "orchard", "pebble", "quarry", "river", "summit", "timber", "upland", "valley", "willow"),
    *("yarrow", "zephyr"),
)


def split(text: str) -> list[str]:
    """The tokens of a text; joined they are the text again."""
    return _TOKEN.findall(text)


def prompt_tokens(text: str) -> int:
    """About how many tokens a real tokenizer would see; cheap for long texts too."""
    return (len(text) + 3) // 4


def speak(dice: Dice, heard: str, length: int) -> str:
    """A text of ``length`` tokens (0: as many as the dice say) that repeats how ``heard`` begins."""
    length = length or _SHORTEST + dice.below(_LONGEST - _SHORTEST + 1)
    words = ["Stub", f"{dice.name[:8]}", "heard:", *heard.split(None, _ECHOED_WORDS)[:_ECHOED_WORDS]][:length]
    start = dice.below(len(_FILLER))
    words += [_FILLER[(start + 7 * step) % len(_FILLER)] for step in range(length - len(words))]
    return " ".join(words) + "."


def cut(tokens: list[str], stop: Sequence[str], most: int | None) -> tuple[list[str], str]:
    """The tokens until a stop text or the longest allowed length, and OpenAI's word for why it ended there."""
    tokens = _before_stop(tokens, stop)
    if most is not None and len(tokens) > most:
        return tokens[:most], "length"
    return tokens, "stop"


def _before_stop(tokens: list[str], stop: Sequence[str]) -> list[str]:
    text = "".join(tokens)
    ends = [end for word in stop if word and (end := text.find(word)) >= 0]
    return split(text[: min(ends)]) if ends else tokens
