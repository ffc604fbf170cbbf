"""What every source brings a connection to: its type and values, and where they came from."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from pfserve.values.connection_form import CONNECTION_CLASSES
from pfserve.values.connections import Connection


class Form(msgspec.Struct, frozen=True):
    """One connection as a source gives it: the execution form (contract 6.1) and its origin."""

    type_name: str  # of the execution form, such as AzureOpenAIConnection
    value: Mapping[str, object]
    secret_keys: frozenset[str]
    origin: str
    problem: str = ""  # why it cannot be used, found while it was read
    to_be_given: frozenset[str] = frozenset()  # secrets that hold a placeholder: a variable has to supply them

    @property
    def kind(self) -> type[Connection] | None:
        """The class; None for a type that nobody knows."""
        return CONNECTION_CLASSES.get(self.type_name)

    def __repr__(self) -> str:  # the generated one would show the values
        return f"<Form {self.type_name} from {self.origin}>"


def broken(origin: str, problem: str) -> Form:
    """The form of a connection that cannot be read. Only who needs it gets the problem as an error."""
    return Form("", {}, frozenset(), origin, problem)


def from_execution_form(given: object, origin: str) -> Form:
    """The form for ``{type, value, secret_keys}`` as promptflow's providers exchange it."""
    if not isinstance(given, dict) or not isinstance(given.get("type"), str):
        return broken(origin, "has no 'type'")
    value, secret_keys = given.get("value"), given.get("secret_keys") or []
    if not isinstance(value, dict):
        return broken(origin, "has no 'value' with its fields")
    if not isinstance(secret_keys, list):
        return broken(origin, "has 'secret_keys' that are no list")
    names = (name for name in secret_keys if isinstance(name, str))
    return Form(given["type"], value, frozenset(names), origin)
