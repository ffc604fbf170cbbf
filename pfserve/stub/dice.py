"""Chance that repeats itself: numbers drawn from a seed and what is asked about, never from a clock."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b
from typing import TypeVar

T = TypeVar("T")


class Dice:
    """A source of numbers. The same seed and subject give the same numbers in the same order."""

    def __init__(self, seed: int, subject: bytes) -> None:
        self._key = blake2b(b"%d:" % seed + subject, digest_size=16).digest()
        self._drawn = 0

    @property
    def name(self) -> str:
        """Thirty-two hexadecimal digits that stand for seed and subject."""
        return self._key.hex()

    def below(self, limit: int) -> int:
        """A whole number from 0 to ``limit`` - 1."""
        self._drawn += 1
        drawn = blake2b(b"%d" % self._drawn, digest_size=8, key=self._key).digest()
        return int.from_bytes(drawn, "little") % limit

    def chance(self, rate: float) -> bool:
        """True in a share of ``rate`` of all draws."""
        return rate > 0 and self.below(1 << 53) < rate * (1 << 53)

    def choice(self, things: Sequence[T]) -> T:
        """One of ``things``."""
        return things[self.below(len(things))]
