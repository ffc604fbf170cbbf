"""What a record must not tell: secrets in a command line or an address."""

from __future__ import annotations

import re
from collections.abc import Sequence

HIDDEN = "***"
_SECRET = r"(?i:[\w.-]*(?:key|secret|token|passw|credential|signature)[\w.-]*)"
_NAMED = re.compile(rf"(.*?{_SECRET})=.*", re.DOTALL)
_OPTION = re.compile(rf"--?{_SECRET}")
_VALUE = re.compile(r"=[^&]*")


def command(argv: Sequence[str]) -> tuple[str, ...]:
    """Without the values of what is named as a secret: ``--api-key X``, ``API_KEY=X``, ``--env=API_KEY=X``."""
    before = ("", *argv)
    return tuple(_argument(option, part) for option, part in zip(before, argv, strict=False))


def path(text: str) -> str:
    """Without the values of its query, of which any may be a key."""
    place, mark, query = text.partition("?")
    return place + mark + _VALUE.sub(f"={HIDDEN}", query)


def _argument(option: str, part: str) -> str:
    if _OPTION.fullmatch(option) and not part.startswith("-"):
        return HIDDEN
    found = _NAMED.fullmatch(part)
    return f"{found[1]}={HIDDEN}" if found else part
