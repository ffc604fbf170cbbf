"""Texts to values, in the operator's own units. A parser raises ValueError that says what is allowed."""

from __future__ import annotations

import json
import math
import os
import re
from collections.abc import Callable

_WHOLE = re.compile(r"[+-]?[0-9]{1,18}")
_HOST = re.compile(r"[A-Za-z0-9._:%-]{1,253}")
_ORIGIN = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://[!-.0-~]+")
_TRUE = frozenset({"1", "true", "yes", "on"})
_FALSE = frozenset({"0", "false", "no", "off"})
_LEVELS = {
    "CRITICAL": "CRITICAL",
    "FATAL": "CRITICAL",
    "ERROR": "ERROR",
    "WARN": "WARNING",
    "WARNING": "WARNING",
    "INFO": "INFO",
    "DEBUG": "DEBUG",
    "NOTSET": "NOTSET",
}


def whole(low: int, high: int) -> Callable[[str], int]:
    """Parse a whole number from ``low`` to ``high``."""

    def parse(text: str) -> int:
        word = text.strip()  # int() strips less: '0\x1f' is no number to it
        if _WHOLE.fullmatch(word) and low <= int(word) <= high:
            return int(word)
        raise ValueError(f"expected a whole number from {low} to {high}")

    return parse


def number(low: float, high: float) -> Callable[[str], float]:
    """Parse a number from ``low`` to ``high``."""

    def parse(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if low <= value <= high:
            return value
        raise ValueError(f"expected a number from {low:g} to {high:g}")

    return parse


def choice(*words: str) -> Callable[[str], str]:
    """Parse one of ``words``."""

    def parse(text: str) -> str:
        if text.strip() in words:
            return text.strip()
        raise ValueError(f"expected {' or '.join(words)}")

    return parse


def switch(text: str) -> bool:
    """Parse on or off, in the usual spellings."""
    word = text.strip().lower()
    if word in _TRUE or word in _FALSE:
        return word in _TRUE
    raise ValueError("expected on, true, yes, 1 or off, false, no, 0")


def unless_false(text: str) -> bool:
    """Everything but ``false`` is true, as promptflow reads its own switches."""
    return text.strip().lower() != "false"


def anything(text: str) -> str:
    """Any text is fine."""
    return text


def host(text: str) -> str:
    """Parse a host name or an address; brackets around an IPv6 address are taken off."""
    bare = text.strip().removeprefix("[").removesuffix("]")
    if _HOST.fullmatch(bare):
        return bare
    raise ValueError("expected a host name or an IP address")


def path(text: str) -> str:
    """Parse a path of a file that may not exist yet, to an absolute one."""
    if text and "\0" not in text:
        return os.path.abspath(text)
    raise ValueError("expected a path")


def existing_path(text: str) -> str:
    """Parse a path of a file or folder that exists, to an absolute one."""
    found = path(text)
    if os.path.exists(found):
        return found
    raise ValueError(f"expected a file or folder that exists, {text!r} is not there")


def existing_paths(text: str) -> tuple[str, ...]:
    """Parse paths separated by colons."""
    return tuple(existing_path(part) for part in text.split(os.pathsep) if part)


def arguments(text: str) -> dict[str, object]:
    """Parse a JSON object of arguments."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        found = None
    if isinstance(found, dict):
        return found
    raise ValueError('can\'t be deserialized to json: expected an object such as {"name": "value"}')


def arguments_or_file(text: str) -> dict[str, object]:
    """Parse a JSON object of arguments, or ``@`` and the path of a file that holds one."""
    if not text.startswith("@"):
        return arguments(text)
    try:
        with open(existing_path(text[1:]), encoding="utf-8") as file:
            return arguments(file.read())
    except (OSError, UnicodeError) as problem:
        raise ValueError(f"expected a readable file after @: {problem}") from None


def replacement(text: str) -> str:
    """Parse ``NAME=OTHER``; gives it without spaces around either."""
    name, _, other = (part.strip() for part in text.partition("="))
    if name and other:
        return f"{name}={other}"
    raise ValueError("expected NAME=OTHER")


def variant(text: str) -> str:
    """Parse ``NODE.VARIANT``, also as ``${NODE.VARIANT}``; gives it bare."""
    bare = text.strip().removeprefix("${").removesuffix("}")
    node, _, chosen = bare.partition(".")
    if node and chosen:
        return bare
    raise ValueError("expected NODE.VARIANT")


def variants(text: str) -> tuple[str, ...]:
    """Parse variants separated by commas."""
    return tuple(variant(part) for part in text.split(",") if part.strip())


def allowed_origin(text: str) -> str:
    """Parse what CORS allows: ``*``, one origin, or ``off`` (which gives the empty text)."""
    word = text.strip()
    if word == "*" or _ORIGIN.fullmatch(word):
        return word
    if word == "off":
        return ""
    raise ValueError("expected *, off, or one origin such as https://chat.example.com")


def level(text: str) -> str:
    """Parse a level of the logging module, in any case."""
    return level_exact(text.strip().upper())


def level_exact(text: str) -> str:
    """Parse a level of the logging module, in capitals as ``PF_LOGGING_LEVEL`` wants it."""
    if text in _LEVELS:
        return _LEVELS[text]
    raise ValueError(f"expected one of {', '.join(_LEVELS)}")


def log_pattern(text: str) -> str:
    """Parse a format of the logging module; it is tried on a record, so that it cannot fail later."""
    import logging

    record = logging.LogRecord("pfserve", logging.INFO, "", 0, "trial", None, None)
    try:
        logging.Formatter(text).format(record)
    except (ValueError, KeyError, TypeError):
        raise ValueError("expected a format of Python's logging, such as [%(asctime)s] %(message)s") from None
    return text


def date_pattern(text: str) -> str:
    """Parse a strftime format."""
    import time

    try:
        time.strftime(text, time.gmtime(0))
    except ValueError:
        raise ValueError("expected a date format, such as %Y-%m-%d %H:%M:%S") from None
    return text


def names(text: str) -> tuple[str, ...]:
    """Parse names separated by commas."""
    found = tuple(dict.fromkeys(name.strip() for name in text.split(",")))
    if all(found):
        return found
    raise ValueError("expected names separated by commas")


def json_names(text: str) -> tuple[str, ...]:
    """Parse a JSON list of names."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        found = None
    if isinstance(found, list) and all(isinstance(name, str) for name in found):
        return tuple(dict.fromkeys(found))
    raise ValueError('expected a JSON list of output names, such as ["answer"]')
