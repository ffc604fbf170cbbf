"""How many tokens a text has, for services that do not say. Pure, and slow for long texts: not for the event loop."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec

from pfserve.llm.encodings import encoding_name, loaded

_PER_MESSAGE = 3  # what OpenAI's chat format puts around each message, before the answer, and beside a name
_BEFORE_ANSWER = 3
_PER_NAME = 1
_PER_IMAGE = 85  # of an image in low detail, the least that any costs
_BYTES_PER_TOKEN = 4  # of English; the rule of thumb where the tokeniser is not at hand
_SLICE = 50_000  # characters that are encoded at once: tiktoken's time grows faster than the length of one word


class Count(msgspec.Struct, frozen=True):
    """A number of tokens, and whether it is only near the truth."""

    tokens: int
    estimated: bool

    def __add__(self, other: Count) -> Count:
        return Count(self.tokens + other.tokens, self.estimated or other.estimated)


_NONE = Count(0, estimated=False)


def count_text(text: str, model: str, api: str = "chat") -> Count:
    """The tokens of a text; estimated by its length where the model's tokeniser is not in memory."""
    encoding = loaded(encoding_name(model, api))
    if encoding is None:
        return Count(-(-len(text.encode(errors="replace")) // _BYTES_PER_TOKEN), estimated=True)
    pieces = [text[start : start + _SLICE] for start in range(0, len(text), _SLICE)]
    return Count(sum(len(encoding.encode_ordinary(piece)) for piece in pieces), estimated=len(pieces) > 1)


def count_messages(messages: Iterable[Mapping[str, object]], model: str) -> Count:
    """The tokens of a chat's messages, as the service will count them before it answers."""
    total = Count(_BEFORE_ANSWER, estimated=False)
    for message in messages:
        total += Count(_PER_MESSAGE + (_PER_NAME if "name" in message else 0), estimated=False)
        for value in message.values():
            total += _count_value(value, model)
    return total


def _count_value(value: object, model: str) -> Count:
    if isinstance(value, str):
        return count_text(value, model)
    if not isinstance(value, list):  # a call of a function: what the service makes of it is not told
        return _NONE if value is None else Count(0, estimated=True)
    total = _NONE
    for part in value:
        text = part.get("text") if isinstance(part, dict) else None
        total += count_text(text, model) if isinstance(text, str) else Count(_PER_IMAGE, estimated=True)
    return total
