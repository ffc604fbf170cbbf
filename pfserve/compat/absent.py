"""Names that may be imported, because flow files do, but not used: what they do is no part of serving a flow.

Most stand in files that also have a ``if __name__ == "__main__"``, or in annotations. Failing where they are called,
with a sentence, lets all those flows run.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NoReturn

from pfserve import __version__
from pfserve.values.promptflow_errors import UserErrorException

_CLIENT = "Evaluate, run in batches or manage flows with promptflow itself, in an environment of its own"


class NotServed(UserErrorException):
    """Something of promptflow's was used that pfserve does not have."""


class _Absent(type):
    """The class of names that only say why they cannot be used, whatever is done with them."""

    instead: str

    def __call__(cls, *args: object, **kwargs: object) -> NoReturn:
        cls.refuse()

    def __getattr__(cls, name: str) -> object:
        if name.startswith("_"):  # questions of Python and its libraries, not the flow's
            raise AttributeError(name)
        cls.refuse()

    def refuse(cls) -> NoReturn:
        """Say what is missing, and what to do instead."""
        raise NotServed(f"{cls.__name__} can be imported but not used: pfserve {__version__} lacks it. {cls.instead}.")


def absent(name: str, instead: str = _CLIENT) -> Any:
    """A class of that name to import, annotate with and derive from, but not to call."""
    return _Absent(name, (), {"__doc__": "See the module.", "__module__": __name__, "instead": instead})


def error(name: str) -> type[UserErrorException]:
    """An exception of that name, for code that catches it. Nothing here raises it."""
    return type(name, (UserErrorException,), {"__doc__": "See the module.", "__module__": __name__})


class ToolInvoker:
    """The base of what calls tools in promptflow. A name: nothing here is one."""


class FlowContext:
    """What a loaded flow is to be called with. Data only."""

    def __init__(
        self,
        *,
        connections: Mapping[str, object] | None = None,
        variant: str | None = None,
        overrides: Mapping[str, object] | None = None,
        streaming: bool | None = None,
    ) -> None:
        self.connections = dict(connections or {})
        self.variant = variant
        self.overrides = dict(overrides or {})
        self.streaming = streaming


PFClient = absent("PFClient")
Run = absent("Run")
load_run = absent("load_run")
