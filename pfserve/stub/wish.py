"""Failures that a prompt asks for: ``[[stub:503]]``, ``[[stub:429x2]]`` (twice, then it is answered), ``[[stub:cut]]``.

So a test can make one request of many fail, whatever lies between it and the model.
"""

from __future__ import annotations

import re

import msgspec

_WISH = re.compile(rb"\[\[stub:(?:(cut)|([45]\d\d))(?:x(\d{1,3}))?\]\]")


class Wish(msgspec.Struct, frozen=True):
    """How a request wants to fail."""

    status: int  # 0: the answer breaks off half-way
    times: int  # 0: always


def find_wish(body: bytes) -> Wish | None:
    """The first wish in the body of a request; None if there is none."""
    found = _WISH.search(body)
    if found is None:
        return None
    return Wish(int(found[2] or 0), int(found[3] or 0))


class Granted:
    """How often the same request has failed as it wished. When it has had enough, it starts anew."""

    def __init__(self) -> None:
        self._counts: dict[bytes, int] = {}  # by body

    def grant(self, body: bytes) -> Wish | None:
        """The wish that comes true this time."""
        wish = find_wish(body)
        if wish is None or not wish.times:
            return wish
        count = self._counts.pop(body, 0)
        if count >= wish.times:
            return None
        self._counts[body] = count + 1
        return wish
