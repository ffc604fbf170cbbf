"""What the author of a function says about it, as an assistant is told it (contract 3.11)."""

from __future__ import annotations

from collections.abc import Callable


def described(function: Callable[..., object]) -> tuple[str | None, dict[str, str | None]]:
    """What a function's docstring says about it, and about each of its parameters, in any of the usual styles.

    The first is empty without a docstring, and None for one that cannot be read.
    """
    from docstring_parser import ParseError, parse

    try:
        said = parse(function.__doc__ or "")
    except (ParseError, ValueError):
        return None, {}
    return said.description or "", {one.arg_name: one.description for one in said.params}
