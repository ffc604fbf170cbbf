"""What a setting is."""

from __future__ import annotations

from collections.abc import Callable

import msgspec


class Unit(msgspec.Struct, frozen=True):
    """A unit of the outside contract, and the way to and from the one used inside."""

    text: str
    inward: Callable[[float], float]
    outward: Callable[[float], float]


SECONDS = Unit("s", float, float)
MILLISECONDS = Unit("ms", lambda ms: ms / 1000, lambda s: s * 1000)
MEGABYTES = Unit("MB", lambda mb: int(mb * 1_000_000), lambda size: size / 1_000_000)


class Setting(msgspec.Struct, frozen=True, kw_only=True):
    """One setting of ``pfserve serve``.

    ``parse`` reads a flag, ``parse_variable`` (where it differs) an environment variable; both raise ValueError that
    says what is allowed. ``default`` is in the operator's unit; None together with ``default_text`` means that it is
    worked out (``derive``). Of ``variables`` the first one that is set counts.
    """

    name: str
    help: str
    parse: Callable[[str], object]
    parse_variable: Callable[[str], object] | None = None
    flag: str = ""  # "" where only a variable sets it
    is_switch: bool = False  # has a --no- form and takes no value
    is_secret: bool = False  # what was given is never shown
    is_repeatable: bool = False  # the flag may be given again; its texts are parsed one by one, to a tuple
    variables: tuple[str, ...] = ()
    default: object = None
    default_text: str = ""
    unit: Unit | None = None
    field: str = ""  # of ServeConfig, where it is not the name
    bad_variable_warns: bool = False  # the contract has the default for a bad value; we add a warning

    @property
    def target(self) -> str:
        """The field of ServeConfig that holds the value."""
        return self.field or self.name
