"""Request ids: the caller's own if it is presentable, else random ones."""

from __future__ import annotations

import os
from collections.abc import Mapping

from multidict import istr

_X_REQUEST_ID = istr("x-request-id")
_X_MS_CLIENT_REQUEST_ID = istr("x-ms-client-request-id")
_MAX_LENGTH = 128
_HEAD_BYTES, _TAIL_BYTES = 10, 6
_TAIL_DIGITS = 2 * _TAIL_BYTES
_BATCH = 256


def presentable(text: str) -> bool:
    """Whether a caller's id may be echoed and logged: printable ASCII of a sane length."""
    return 0 < len(text) <= _MAX_LENGTH and text.isascii() and text.isprintable()


class RequestIds:
    """Gives every request its id. Randomness is fetched from the kernel for many at a time."""

    def __init__(self) -> None:
        self._fresh: list[str] = []

    def of(self, headers: Mapping[str, str]) -> str:
        """``x-request-id``, else ``x-ms-client-request-id``, else a new one. ``headers`` must ignore case."""
        own = headers.get(_X_REQUEST_ID)
        if own is not None and presentable(own):
            return own
        own = headers.get(_X_MS_CLIENT_REQUEST_ID)
        if own is not None and presentable(own):
            return own
        return self.new()

    def new(self) -> str:
        """A random id, in the form of a UUID of version 4, as promptflow's run ids are."""
        if not self._fresh:
            self._fresh = _batch(os.urandom(_HEAD_BYTES + _TAIL_BYTES * _BATCH).hex())
        return self._fresh.pop()


def _batch(digits: str) -> list[str]:
    """Ids that share a random head: to format one each would be felt in every request."""
    variant = "89ab"[int(digits[16], 16) & 3]
    head = f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-{variant}{digits[17:20]}-"
    return [head + digits[i : i + _TAIL_DIGITS] for i in range(2 * _HEAD_BYTES, len(digits), _TAIL_DIGITS)]
