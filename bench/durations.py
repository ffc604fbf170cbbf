"""Lengths of time as people write them."""

from __future__ import annotations

import re

from .mistake import Mistake

_UNITS_S = {"ms": 1e-3, "s": 1.0, "": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0}
_LENGTH = re.compile(r"(\d+(?:\.\d*)?|\.\d+)\s*(ms|s|m|h|d|)")


def seconds(text: str) -> float:
    """``500ms``, ``30s``, ``2m``, ``1h``, ``7d``; a bare number is seconds. Raises Mistake."""
    found = _LENGTH.fullmatch(text.strip())
    if not found:
        raise Mistake(f"{text!r} is no length of time: write 500ms, 30s, 2m, 1h or 7d")
    return float(found[1]) * _UNITS_S[found[2]]


def written(length_s: float) -> str:
    """A length of time for a reader: three digits, and the unit that suits it."""
    length_s = float(f"{length_s:.3g}")  # first, so that 999.9 ms are a second
    if length_s >= 7200:
        return f"{length_s / 3600:.3g} h"
    if length_s >= 120:
        return f"{length_s / 60:.3g} min"
    if length_s >= 1:
        return f"{length_s:.3g} s"
    return f"{length_s * 1e3:.3g} ms" if length_s >= 1e-3 else f"{length_s * 1e6:.3g} us"
