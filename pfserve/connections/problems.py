"""Why a connection cannot be had. The texts name connections, variables and files, and never hold a value."""

from __future__ import annotations

from collections.abc import Iterable

from pfserve.errors import PfserveError


class ConnectionProblem(PfserveError):
    """A connection that the flow needs cannot be had. Whoever knows the node adds it and its place."""

    def __init__(self, name: str, text: str) -> None:
        super().__init__(text)
        self.name = name


class MissingConnection(ConnectionProblem):
    """No source has a connection of that name."""

    def __init__(self, name: str, text: str = "") -> None:
        super().__init__(name, text or f"connection {name!r} is not given")


class BrokenConnection(ConnectionProblem):
    """A source has the connection, but what it says cannot be used."""


class AccessDenied(ConnectionProblem):
    """The workspace does not let this identity read its connections. The one error that a deployment waits out."""


def missing(name: str, asked_as: str, given: Iterable[str], *, only_encoded: bool, provider: str) -> MissingConnection:
    """The error for a name that no source has, with the ways to supply it.

    ``asked_as`` is the name in the flow, where it was replaced by ``name``, or, with an empty ``name``, by what the
    variable for it holds: that may be a secret in the wrong place. ``provider`` says why the provider of connections
    that a variable names has not been asked, or is the empty text.
    """
    what = f"connection {name!r}" + (f" (in place of {asked_as!r})" if name != asked_as else "") + " is not given"
    if not name:
        held = f"the variable {variable_of(asked_as)} holds neither the name of another that is given nor readable JSON"
        what = f"connection {asked_as!r}: {held}"
    known = ", ".join(given) or "none"
    ways = f"add it to PROMPTFLOW_ENCODED_CONNECTIONS, which is the only source while it is set, {_BESIDE}"
    if not only_encoded:
        ways = (
            "give --connections PATH or PFSERVE_CONNECTIONS, a YAML or JSON file or a folder of them that has it, "
            f"{_BESIDE} or put it into PROMPTFLOW_ENCODED_CONNECTIONS"
        )
    text = f"{what} (given: {known}); {ways.format(name=asked_as, variable=variable_of(asked_as))}"
    if provider:
        text += f"; {provider}"
    return MissingConnection(asked_as, text)


_BESIDE = (
    "or use another with --connection '{name}=OTHER' or the environment variable {variable}=OTHER, "
    "or set {variable} to the connection's JSON as Azure gives it,"
)


def variable_of(name: str) -> str:
    """The environment variable that replaces the whole connection."""
    return name.replace(" ", "_")


def field_variable_of(name: str, key: str) -> str:
    """The environment variable that replaces one value of the connection."""
    return f"{variable_of(name)}_{key}".upper()
